/* Recording a DEL so that it outlives us and a power cut (docs/wire.md, "DELs while no daemon is there"). */
#include "spool/spool_write.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failure.h"
#include "spool/spool_directory.h"
#include "spool/spool_record.h"

enum {
  FILES_MAX = 4096,
  BYTES_MAX = 64 * 1024 * 1024,
  FILE_MODE = 0600,
  /* One record takes as long as the disk needs to sync it. */
  LOCK_PATIENCE = 10 * MICROS_PER_SECOND,
  LOCK_STEP_MS = 5,
};

static const uint64_t time_max = 9999999999999999;

static bool fail_with(struct buffer *problem, const char *what, int error) {
  buffer_say(problem, what, ": ", strerror(error));
  return false;
}

/* Waits for the lock on a file. */
static bool lock(int fd, int64_t until, struct buffer *problem) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_with(problem, "cannot lock the file to record it in", errno);
    if (clock_micros() >= until) {
      buffer_say(problem, "others are recording DELs, and do not come to an end");
      return false;
    }
    if (poll(NULL, 0, LOCK_STEP_MS) < 0 && errno != EINTR) return fail_with(problem, "poll", errno);
  }
  return true;
}

/* A link to another file that somebody has put there would have that one emptied. */
static bool is_own(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
}

/* Opens the file that records are written to, alone: who held it before us has given it the name of its record. -1: see `problem`. */
static int open_recording(int directory, struct buffer *problem) {
  int64_t until = clock_micros() + LOCK_PATIENCE;
  for (;;) {
    int fd = openat(directory, spool_recording, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
      (void)fail_with(problem, "cannot open a file to record it in", errno);
      return -1;
    }
    bool locked = lock(fd, until, problem);
    bool is_there = locked && spool_file_is(directory, spool_recording, fd);
    if (is_there && is_own(fd)) return fd;
    bool is_gone = !is_there || unlinkat(directory, spool_recording, 0) == 0;
    if (!is_gone) (void)fail_with(problem, "cannot remove what is in the place of the file to record it in", errno);
    (void)close(fd);
    if (!locked || !is_gone) return -1;
  }
}

/* Is there a record that does all of this DEL? */
static bool is_covered(int directory, const struct spool_list *list, const struct request *request) {
  bool covered = false;
  struct buffer content = {0};
  for (size_t i = 0; i < list->count && !covered; i++) {
    const struct spool_entry *entry = &list->entries[i];
    if (!spool_entry_is_of(entry, request->container_id)) continue;
    content.length = 0;
    covered = spool_file_read(directory, entry->name, SPOOL_RECORD_MAX_BYTES, &content) &&
              spool_record_covers((struct bytes){content.data, content.length}, request);
  }
  buffer_free(&content);
  return covered;
}

static uint64_t bytes_in(int directory, const struct spool_list *list) {
  uint64_t bytes = 0;
  struct stat status;
  for (size_t i = 0; i < list->count; i++) {
    if (fstatat(directory, list->entries[i].name, &status, AT_SYMLINK_NOFOLLOW) == 0) bytes += (uint64_t)status.st_size;
  }
  return bytes;
}

/* The name of the next record: behind all that are there, whatever the clock says. */
static bool make_name(const struct spool_list *list, const char *container_id, unsigned tries, struct buffer *name, struct buffer *problem) {
  uint64_t time = (uint64_t)clock_wall_micros();
  for (size_t i = 0; i < list->count; i++) {
    const struct spool_entry *entry = &list->entries[i];
    if (entry->kind == SPOOL_RECORD && entry->time >= time) time = entry->time + 1;
  }
  spool_name_make(time, tries, container_id, name);
  if (time > time_max || name->length > SPOOL_NAME_MAX) {
    buffer_say(problem, "it can have no name: ", time > time_max ? "there is one later than all" : "the container id is too long");
    return false;
  }
  return true;
}

/* Writes all of it, and gives it its name. */
static bool write_record(int directory, int fd, const struct buffer *content, const char *name, struct buffer *problem) {
  /* Someone may have been killed over it. */
  if (ftruncate(fd, 0) != 0) return fail_with(problem, "cannot empty the file to record it in", errno);
  if (!write_all(fd, content->data, content->length)) return fail_with(problem, "cannot write it", errno);
  if (fsync(fd) != 0) return fail_with(problem, "cannot sync it", errno);
  if (renameat(directory, spool_recording, directory, name) != 0) return fail_with(problem, "cannot give it its name", errno);
  if (fsync(directory) != 0) return fail_with(problem, "cannot sync its directory", errno);
  return true;
}

/* With the lock held. */
static bool record(int directory, int fd, const struct request *request, unsigned tries, struct buffer *problem) {
  struct spool_list list;
  struct buffer content = {0}, name = {0};
  if (!spool_list_read(directory, &list)) {
    spool_list_free(&list);
    return fail_with(problem, "cannot read the directory", errno);
  }
  bool recorded = false;
  if (is_covered(directory, &list, request)) {
    /* Whoever recorded it may have been killed before it was sure to stay. */
    recorded = fsync(directory) == 0 || fail_with(problem, "cannot sync the directory", errno);
  } else {
    struct spool_record own = {.request = *request, .netns = netns_identify(request->netns)};
    spool_record_encode(&own, &content);
    if (list.count >= FILES_MAX || bytes_in(directory, &list) + content.length > BYTES_MAX) {
      buffer_say(problem, "there are 4096 files or 64 MiB already");
    } else {
      recorded = make_name(&list, request->container_id, tries, &name, problem) &&
                 write_record(directory, fd, &content, buffer_text(&name), problem);
    }
  }
  /* Not a record now. Once it is one, the next may be on its way under that name. */
  if (spool_file_is(directory, spool_recording, fd)) (void)unlinkat(directory, spool_recording, 0);
  buffer_free(&content);
  buffer_free(&name);
  spool_list_free(&list);
  return recorded;
}

bool spool_write(const char *cni_dir, const struct request *request, unsigned tries, struct buffer *problem) {
  int directory = spool_directory_make(cni_dir);
  if (directory < 0) return fail_with(problem, "cannot open or make the directory", errno);
  int fd = open_recording(directory, problem);
  bool recorded = fd >= 0 && record(directory, fd, request, tries, problem);
  if (fd >= 0) (void)close(fd);
  (void)close(directory);
  return recorded;
}
