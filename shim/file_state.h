/* In which state a file is: a text that differs whenever the file's content may. */
#ifndef MULTUS_FILE_STATE_H
#define MULTUS_FILE_STATE_H

#include <sys/stat.h>

enum {
  /* Seven numbers of 20 digits at most, a blank or a zero byte behind each. */
  FILE_STATE_BYTES = 7 * 21,
};

/* Writes the state of a file: device, inode, size, and the times of its last changes. "": it has changed within the last 100 ms. The kernel's clock goes
 * in steps, so that it could change once more and look the same. */
void file_state_write(const struct stat *file, char state[FILE_STATE_BYTES]);

#endif
