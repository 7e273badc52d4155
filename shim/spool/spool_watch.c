/* Noticing what is recorded while a process sleeps: inotify on the directory of recorded DELs. */
#include "spool/spool_watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
  EVENTS_BYTES = 4096,
  /* More than the kernel keeps by default (16384 events). A directory that changes faster than it is read must not hold us. */
  READS_MAX = 512,
};

int spool_watch_open(int directory) {
  /* The open directory itself, not what has its name by now. */
  char path[64];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
  int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch < 0) return -1;
  if (inotify_add_watch(watch, path, IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) >= 0) return watch;
  (void)close(watch);
  return -1;
}

/* A record gets its name from `.recording` or, from a person, from `failed-…`. The daemon renames records, whose names begin with a digit. */
static bool is_record(const struct inotify_event *event) {
  if ((event->mask & IN_Q_OVERFLOW) != 0) return true;
  return (event->mask & IN_MOVED_FROM) != 0 && event->len > 0 && (event->name[0] < '0' || event->name[0] > '9');
}

enum spool_watch_news spool_watch_read(int *watch) {
  enum spool_watch_news news = SPOOL_WATCH_CHANGE;
  bool is_over = false;
  _Alignas(struct inotify_event) char events[EVENTS_BYTES];
  for (int reads = 0; reads < READS_MAX; reads++) {
    ssize_t length = read(*watch, events, sizeof events);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) break;
    if (length <= 0) {
      is_over = true;
      break;
    }
    for (size_t at = 0; at < (size_t)length;) {
      const struct inotify_event *event = (const struct inotify_event *)(const void *)(events + at);
      if (is_record(event)) news = SPOOL_WATCH_RECORD;
      if ((event->mask & IN_IGNORED) != 0) is_over = true;
      at += sizeof *event + event->len;
    }
  }
  if (is_over) {
    (void)close(*watch);
    *watch = -1;
  }
  return news;
}
