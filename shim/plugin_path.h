/* Where plugins may be run from, and which file a plugin's name means. */
#ifndef MULTUS_PLUGIN_PATH_H
#define MULTUS_PLUGIN_PATH_H

#include "buffer.h"

/* The directories that orders may use. */
struct plugin_directories {
  /* Zero terminated texts, one after the other. */
  struct buffer allowed;
};

enum plugin_search { PLUGIN_FOUND, PLUGIN_NOT_FOUND, PLUGIN_REFUSED };

/* Allows the absolute directories of a colon separated list. */
void plugin_directories_allow(struct plugin_directories *directories, struct bytes list);

/* Finds the first executable regular file called `plugin` in the allowed directories of the colon separated `path`.
 * PLUGIN_FOUND: `*file` is its path, freed by the caller with free(). Otherwise `problem` says why not. */
enum plugin_search plugin_find(const struct plugin_directories *directories, struct bytes plugin, struct bytes path,
                               char **file, struct buffer *problem);

#endif
