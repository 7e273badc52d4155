/* The state of a file: a text that changes whenever the file's content may have changed. */
#include "exec/file_state.h"

#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"

enum { SETTLED_AFTER = 100 * MICROS_PER_MILLI };

static int64_t micros_of(struct timespec moment) {
  return (int64_t)moment.tv_sec * MICROS_PER_SECOND + moment.tv_nsec / 1000;
}

void file_state_write(const struct stat *file, char state[FILE_STATE_BYTES]) {
  state[0] = '\0';
  int64_t settled = clock_wall_micros() - SETTLED_AFTER;
  if (micros_of(file->st_mtim) > settled || micros_of(file->st_ctim) > settled) return;
  uint64_t numbers[] = {
      (uint64_t)file->st_dev,          (uint64_t)file->st_ino,
      (uint64_t)file->st_size,         (uint64_t)file->st_mtim.tv_sec,
      (uint64_t)file->st_mtim.tv_nsec, (uint64_t)file->st_ctim.tv_sec,
      (uint64_t)file->st_ctim.tv_nsec,
  };
  struct buffer text = {0};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (i > 0) buffer_say(&text, " ");
    buffer_append_unsigned(&text, numbers[i]);
  }
  memcpy(state, buffer_text(&text), text.length + 1);
  buffer_free(&text);
}
