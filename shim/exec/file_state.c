/* The state of a file: a text that changes whenever the file's content may have changed. */
#include "exec/file_state.h"

#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"

enum { SETTLED_AFTER = 100 * MICROS_PER_MILLI };

static int64_t micros_of(struct timespec moment) {
  return (int64_t)moment.tv_sec * MICROS_PER_SECOND + moment.tv_nsec / 1000;
}

void file_state_write(const struct stat *file, char state[FILE_STATE_BYTES]) {
  state[0] = '\0';
  int64_t settled = clock_wall_micros() - SETTLED_AFTER;
  if (micros_of(file->st_mtim) > settled || micros_of(file->st_ctim) > settled) return;
  (void)snprintf(state, FILE_STATE_BYTES, "%ju %ju %ju %ju %ju %ju %ju", (uintmax_t)file->st_dev, (uintmax_t)file->st_ino,
                 (uintmax_t)file->st_size, (uintmax_t)file->st_mtim.tv_sec, (uintmax_t)file->st_mtim.tv_nsec,
                 (uintmax_t)file->st_ctim.tv_sec, (uintmax_t)file->st_ctim.tv_nsec);
}
