/* Records a DEL that no daemon has answered, or that fails again and again (docs/wire.md, "DELs while no daemon is there"). */
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/files.h"
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

/* Says what cannot be done, and the text of errno. Returns false. */
static bool fails(struct buffer *problem, const char *what) { return problem_say(problem, "%s: %s", what, strerror(errno)); }

/* Waits for the lock on a file. */
static bool lock(int fd, int64_t until, struct buffer *problem) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fails(problem, "cannot lock the file to record it in");
    if (clock_micros() >= until) return problem_say(problem, "others are recording DELs, and do not come to an end");
    (void)poll(NULL, 0, LOCK_STEP_MS);
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
    if (fd < 0) (void)fails(problem, "cannot open a file to record it in");
    if (fd < 0) return -1;
    bool locked = lock(fd, until, problem);
    bool is_there = locked && spool_file_is(directory, spool_recording, fd);
    if (is_there && is_own(fd)) return fd;
    bool is_gone = !is_there || unlinkat(directory, spool_recording, 0) == 0 ||
                   fails(problem, "cannot remove what is in the place of the file to record it in");
    file_close(&fd);
    if (!locked || !is_gone) return -1;
  }
}

/* The content of the directory. */
struct survey {
  size_t files;
  uint64_t bytes;
  /* The latest of all records. */
  uint64_t time;
  /* There is a record that does all of the DEL. */
  bool is_covered;
};

/* False, with errno: the directory cannot be read. */
static bool look_around(int directory, const struct request *request, struct survey *survey) {
  struct spool_entry entry;
  struct buffer content = {0};
  struct stat status;
  DIR *stream = spool_directory_read(directory);
  if (stream == NULL) return false;
  while (spool_directory_next(stream, &entry)) {
    survey->files++;
    if (fstatat(directory, entry.name, &status, AT_SYMLINK_NOFOLLOW) == 0) survey->bytes += (uint64_t)status.st_size;
    if (entry.kind == SPOOL_RECORD && entry.time > survey->time) survey->time = entry.time;
    if (survey->is_covered || !spool_entry_is_of(&entry, request->container_id)) continue;
    content.length = 0;
    survey->is_covered = spool_file_read(directory, entry.name, SPOOL_RECORD_MAX_BYTES, &content) &&
                         spool_record_covers(buffer_bytes(&content), request);
  }
  int error = errno;
  buffer_free(&content);
  (void)closedir(stream);
  errno = error;
  return error == 0;
}

/* Writes all of it, and gives it its name, behind all that are there, whatever the clock says. */
static bool write_record(int directory, int fd, const struct survey *survey, const struct request *request, unsigned tries,
                         const struct buffer *content, struct buffer *name, struct buffer *problem) {
  uint64_t time = (uint64_t)clock_wall_micros();
  if (survey->files >= FILES_MAX || survey->bytes + content->length > BYTES_MAX) return problem_say(problem, "there are 4096 files or 64 MiB already");
  if (time <= survey->time) time = survey->time + 1;
  spool_name_make(time, tries, request->container_id, name);
  if (time > time_max) return problem_say(problem, "it can have no name: there is one later than all");
  if (name->length > SPOOL_NAME_MAX) return problem_say(problem, "it can have no name: the container id is too long");
  /* Someone may have been killed over it. */
  if (ftruncate(fd, 0) != 0) return fails(problem, "cannot empty the file to record it in");
  if (!file_write(fd, content->data, content->length)) return fails(problem, "cannot write it");
  if (fsync(fd) != 0) return fails(problem, "cannot sync it");
  if (renameat(directory, spool_recording, directory, buffer_text(name)) != 0) return fails(problem, "cannot give it its name");
  return fsync(directory) == 0 || fails(problem, "cannot sync its directory");
}

/* With the lock held. */
static bool record(int directory, int fd, const struct request *request, unsigned tries, struct buffer *problem) {
  struct survey survey = {0};
  if (!look_around(directory, request, &survey)) return fails(problem, "cannot read the directory");
  bool recorded = false;
  if (survey.is_covered) {
    /* The shim that recorded it may have been killed before it was sure to stay. */
    recorded = fsync(directory) == 0 || fails(problem, "cannot sync the directory");
  } else {
    struct buffer content = {0}, name = {0};
    struct netns_identity netns = netns_identify(request->netns);
    spool_record_encode(request, &netns, &content);
    recorded = write_record(directory, fd, &survey, request, tries, &content, &name, problem);
    buffer_free(&content);
    buffer_free(&name);
  }
  /* Not a record now. Once it is one, the next may be on its way under that name. */
  if (spool_file_is(directory, spool_recording, fd)) (void)unlinkat(directory, spool_recording, 0);
  return recorded;
}

/* Records a DEL below `cni_dir`; once this returns true, it is on the disk. One that a record covers already is not recorded again.
 * `tries`: how often it was tried and failed; one that was waits before it is tried again.
 * False: nothing half written is left of it, and `problem` says why it cannot be recorded. */
static bool write_to(const char *cni_dir, const struct request *request, unsigned tries, struct buffer *problem) {
  int directory = spool_directory_open(cni_dir, true);
  if (directory < 0) return fails(problem, "cannot open or make the directory");
  int fd = open_recording(directory, problem);
  bool recorded = fd >= 0 && record(directory, fd, request, tries, problem);
  file_close(&fd);
  file_close(&directory);
  return recorded;
}

bool spool_stands_for(const struct spool_settings *settings, const struct request *request) {
  return strcmp(request->command, "DEL") == 0 && settings->del_on_daemon_down != DEL_FAILS;
}

int spool_stand_in(const struct spool_settings *settings, const struct request *request, const char *problem) {
  if (settings->del_on_daemon_down == DEL_IGNORED) {
    notice(problem, "; this DEL is ignored, as delOnDaemonDown of the network configuration says");
    return 0;
  }
  struct buffer obstacle = {0}, details = {0};
  int exit_code = 0;
  if (write_to(settings->cni_dir, request, 0, &obstacle)) {
    notice(problem, "; this DEL is recorded in ", settings->cni_dir, spool_directory_name, ", and replayed when the daemon is there");
  } else {
    buffer_say(&details, "The DEL cannot be recorded in ", settings->cni_dir, spool_directory_name, " either: ", buffer_text(&obstacle));
    exit_code = print_failure(CNI_TRY_AGAIN_LATER, problem, buffer_text(&details));
  }
  buffer_free(&obstacle);
  buffer_free(&details);
  return exit_code;
}

bool spool_take_failed(const struct spool_settings *settings, const struct request *request) {
  struct buffer obstacle = {0};
  bool recorded = write_to(settings->cni_dir, request, 1, &obstacle);
  if (recorded) {
    notice("this DEL has failed and is recorded in ", settings->cni_dir, spool_directory_name,
           ": it is tried again in the background, and the daemon's log says why it fails");
  } else {
    notice("this DEL has failed and cannot be recorded in ", settings->cni_dir, spool_directory_name, ": ", buffer_text(&obstacle));
  }
  buffer_free(&obstacle);
  return recorded;
}
