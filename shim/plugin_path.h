/* Where plugins may be run from, and which file a plugin's name means. */
#ifndef MULTUS_PLUGIN_PATH_H
#define MULTUS_PLUGIN_PATH_H

#include <sys/stat.h>
#include <sys/types.h>

#include "buffer.h"

/* The directories that orders may use. */
struct plugin_directories {
  /* Zero terminated texts, one after the other. */
  struct buffer allowed;
  /* The file that this process runs is no plugin, whatever its name. */
  bool leaves_out_own;
  dev_t own_device;
  ino_t own_inode;
};

enum plugin_search { PLUGIN_FOUND, PLUGIN_NOT_FOUND, PLUGIN_REFUSED };

/* Allows the absolute directories of a colon separated list. */
void plugin_directories_allow(struct plugin_directories *directories, struct bytes list);

/* Appends the allowed directories as a colon separated list, each once. */
void plugin_directories_append(const struct plugin_directories *directories, struct buffer *list);

/* Are all entries of a colon separated list allowed directories? An empty list is. False: `*foreign` is the first entry that is not. */
bool plugin_directories_hold(const struct plugin_directories *directories, struct bytes list, struct bytes *foreign);

/* From here on plugin_find() refuses the file that this process runs. Ends the process with CNI error 5 where it cannot be told which that is. */
void plugin_directories_leave_out_own(struct plugin_directories *directories);

/* Finds the first executable regular file called `plugin` in the allowed directories of the colon separated `path`.
 * PLUGIN_FOUND: `*file` is its path, freed by the caller with free(), and `*status` what stat() says of it. Otherwise `problem` says why not. */
enum plugin_search plugin_find(const struct plugin_directories *directories, struct bytes plugin, struct bytes path,
                               char **file, struct stat *status, struct buffer *problem);

#endif
