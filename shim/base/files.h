/* Descriptors and files. */
#pragma once

#include <sys/stat.h>

#include "base/buffer.h"

/* Closes a descriptor if it is open, sets it to -1, and keeps errno. */
void file_close(int *fd);

/* Are both the same file (by device and inode)? */
bool file_is_same(const struct stat *a, const struct stat *b);

/* Writes everything, and blocks if necessary. False if it cannot be written (the reader is gone, the disk is full). */
bool file_write(int fd, const void *data, size_t length);

/* Makes the missing directories of an absolute path, with mode 0700; with `syncs` those above know of them for good when this returns true. False: see errno. */
bool file_make_directories(const char *path, bool syncs);

/* Closes all inherited descriptors but stdin, stdout and stderr: unlike the shim's own, they would stay open after an exec, and no process that outlives
 * the call may keep one open. False, with errno, if /proc does not list them. */
bool file_close_inherited(void);
