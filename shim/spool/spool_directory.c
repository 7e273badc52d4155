/* The directory of recorded DELs, and its files' names (docs/wire.md, "DELs while no daemon is there"). */
#include "spool/spool_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "wire/request.h"

static const char broken_prefix[] = "broken-";
static const char failed_prefix[] = "failed-";
const char spool_directory_name[] = "/.spool";
const char spool_recording[] = ".recording";

int spool_directory_open(const char *cni_dir, bool makes) {
  struct buffer buffer = {0};
  buffer_say(&buffer, cni_dir, spool_directory_name);
  const char *path = buffer_text(&buffer);
  /* Not where a link of this name leads: a daemon that may write to cniDir must not send us elsewhere. */
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int fd = open(path, flags);
  if (fd < 0 && errno == ENOENT && makes && file_make_directories(path, true)) fd = open(path, flags);
  int error = errno;
  buffer_free(&buffer);
  errno = error;
  return fd;
}

bool spool_directory_is(const char *cni_dir, int directory) {
  struct stat open_directory, named_directory;
  struct buffer path = {0};
  buffer_say(&path, cni_dir, spool_directory_name);
  bool is = fstat(directory, &open_directory) == 0 && lstat(buffer_text(&path), &named_directory) == 0 &&
            file_is_same(&open_directory, &named_directory);
  buffer_free(&path);
  return is;
}

const char *spool_entry_container(const struct spool_entry *entry) { return entry->name + SPOOL_CONTAINER_ID_AT; }

static bool take_number(const char *text, size_t digits, uint64_t *number) {
  *number = 0;
  for (size_t i = 0; i < digits; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    *number = *number * 10 + (uint64_t)(text[i] - '0');
  }
  return text[digits] == '-';
}

static bool has_prefix(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

bool spool_entry_read(const char *name, struct spool_entry *entry) {
  uint64_t tries = 0;
  *entry = (struct spool_entry){.kind = SPOOL_FOREIGN};
  /* Some file systems, vfat for one, have names of more bytes than NAME_MAX. */
  if (name[0] == '.' || strlen(name) > NAME_MAX) return false;
  memcpy(entry->name, name, strlen(name));
  if (has_prefix(entry->name, broken_prefix) || has_prefix(entry->name, failed_prefix)) {
    entry->kind = SPOOL_ASIDE;
  } else if (strlen(entry->name) <= SPOOL_NAME_MAX && take_number(entry->name, SPOOL_TIME_DIGITS, &entry->time) &&
             take_number(entry->name + SPOOL_TIME_DIGITS + 1, SPOOL_TRIES_DIGITS, &tries) &&
             request_is_container_id(spool_entry_container(entry))) {
    entry->kind = SPOOL_RECORD;
  }
  entry->tries = (unsigned)tries;
  return true;
}

DIR *spool_directory_read(int directory) {
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (stream == NULL) file_close(&fd);
  return stream;
}

bool spool_directory_next(DIR *stream, struct spool_entry *entry) {
  const struct dirent *found;
  while (errno = 0, (found = readdir(stream)) != NULL) {
    if (spool_entry_read(found->d_name, entry)) return true;
  }
  return false;
}

bool spool_directory_has_waiting(int directory) {
  struct spool_entry entry;
  bool waits = false;
  DIR *stream = spool_directory_read(directory);
  if (stream == NULL) return false;
  while (!waits && spool_directory_next(stream, &entry)) waits = entry.kind != SPOOL_ASIDE;
  int error = errno;
  (void)closedir(stream);
  errno = error;
  return waits;
}

bool spool_entry_is_of(const struct spool_entry *entry, const char *container_id) {
  return entry->kind == SPOOL_RECORD && strcmp(spool_entry_container(entry), container_id) == 0;
}

void spool_name_make(uint64_t time, unsigned tries, const char *container_id, struct buffer *name) {
  buffer_print(name, "%0*" PRIu64 "-%0*u-%s", SPOOL_TIME_DIGITS, time, SPOOL_TRIES_DIGITS, tries, container_id);
}

bool spool_file_is(int directory, const char *name, int fd) {
  struct stat open_file, named_file;
  return fstat(fd, &open_file) == 0 && fstatat(directory, name, &named_file, AT_SYMLINK_NOFOLLOW) == 0 &&
         file_is_same(&open_file, &named_file);
}

bool spool_file_read(int directory, const char *name, size_t most, struct buffer *content) {
  struct stat status;
  bool is_read = false;
  /* O_NONBLOCK: it may be anything, and a FIFO would keep us waiting. */
  int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size <= most) {
    /* One byte more than it has: no more is read of one that grows meanwhile. */
    buffer_reserve(content, (size_t)status.st_size + 1);
    ssize_t length = 1;
    while (length != 0 && content->length < content->capacity) {
      length = read(fd, content->data + content->length, content->capacity - content->length);
      if (length < 0 && errno != EINTR) break;
      if (length > 0) content->length += (size_t)length;
    }
    is_read = length == 0;
  }
  file_close(&fd);
  return is_read;
}
