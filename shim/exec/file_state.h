/* The state of a file: a text that changes whenever the file's content may have changed. */
#pragma once

#include <sys/stat.h>

enum {
  /* Seven numbers of 20 digits at most, each followed by a blank or a zero byte. */
  FILE_STATE_BYTES = 7 * 21,
};

/* Writes the state of a file: device, inode, size, and the times of its last changes. "": the file has changed within the last 100 ms. As the kernel's
 * clock advances in steps, another change could then leave the same state. */
void file_state_write(const struct stat *file, char state[FILE_STATE_BYTES]);
