/* The directories that plugins may be run from, the search for a plugin's file, and its state. */
#pragma once

#include <sys/stat.h>

#include "base/buffer.h"

/* The directories that orders may use. */
struct plugin_directories {
  /* Consecutive zero-terminated texts. */
  struct buffer allowed;
  /* plugin_find() refuses the file that this process runs, under any name. */
  bool leaves_out_own;
  struct stat own;
};

/* Allows the absolute directories of a colon-separated list. */
void plugin_directories_allow(struct plugin_directories *directories, struct bytes list);

/* Appends the allowed directories as a colon-separated list, each once. */
void plugin_directories_append(const struct plugin_directories *directories, struct buffer *list);

/* Are all entries of a colon-separated list allowed directories? True for an empty list. False: `*foreign` is the first entry that is not. */
bool plugin_directories_hold(const struct plugin_directories *directories, struct bytes list, struct bytes *foreign);

/* Makes plugin_find() refuse the file that this process runs. Ends the process with CNI error 5 if that file is unknown. */
void plugin_directories_leave_out_own(struct plugin_directories *directories);

/* Finds the first executable regular file called `plugin` in the allowed directories of the colon-separated `path`. Returns NULL: `*file` is its path, which
 * the caller frees with free(), and `*status` its stat(). Otherwise "not-found" or "refused" (the `error` of a DONE), and `problem` says why. */
const char *plugin_find(const struct plugin_directories *directories, struct bytes plugin, struct bytes path, char **file,
                        struct stat *status, struct buffer *problem);

enum {
  /* Seven numbers of 20 digits at most, each followed by a blank or a zero byte. */
  PLUGIN_STATE_BYTES = 7 * 21,
};

/* Writes the state of a plugin's file, a text that changes whenever its content may have changed: device, inode, size, and the times of its last changes.
 * "": the file has changed within the last 100 ms. As the kernel's clock advances in steps, another change could then leave the same state. */
void plugin_file_state(const struct stat *file, char state[PLUGIN_STATE_BYTES]);
