/* A line on stderr, which runtimes put into their log. */
#include "base/notice.h"

#include <poll.h>
#include <unistd.h>

void notice_write(const char *const *texts) {
  struct buffer line = {0};
  buffer_say(&line, "multus: ");
  buffer_append_texts(&line, texts);
  buffer_say(&line, "\n");
  struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (poll(&ready, 1, 0) > 0) {
    /* A line that stderr does not take is lost: there is no other place for it. */
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written;
  }
  buffer_free(&line);
}
