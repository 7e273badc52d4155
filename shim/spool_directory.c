/* The directory of recorded DELs: its files' names, and what is done with whole files (docs/wire.md, "DELs while no daemon is there"). */
#define _GNU_SOURCE
#include "spool_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "notice.h"

static const char directory_name[] = "/.spool";
static const char broken_prefix[] = "broken-";
static const char failed_prefix[] = "failed-";
const char spool_recording[] = ".recording";

enum {
  DIRECTORY_MODE = 0700,
  ENTRIES_FIRST = 64,
  /* Seconds from the first try that failed to the next; doubled with each. */
  AGAIN_AFTER = 10,
  AGAIN_AFTER_MOST = 1200,
  /* `-`, and a checksum in hexadecimal. */
  ASIDE_TAIL_BYTES = 1 + 8,
};

void spool_directory_path(const char *cni_dir, struct buffer *path) { buffer_say(path, cni_dir, directory_name); }

int spool_directory_open(const char *cni_dir) {
  struct buffer path = {0};
  spool_directory_path(cni_dir, &path);
  /* Not where a link of this name leads: a daemon that may write to cniDir must not send us elsewhere. */
  int fd = open(buffer_text(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int error = errno;
  buffer_free(&path);
  errno = error;
  return fd;
}

/* Makes a directory. The one above knows of it for good when this returns. */
static bool make_directory(const char *path, const char *parent) {
  if (mkdir(path, DIRECTORY_MODE) != 0) return errno == EEXIST;
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  bool synced = fsync(fd) == 0;
  int error = errno;
  (void)close(fd);
  errno = error;
  return synced;
}

/* Makes a directory and those above it. */
static bool make_directories(char *path) {
  char *slash = strrchr(path, '/');
  if (slash == NULL || slash == path) return make_directory(path, "/");
  *slash = 0;
  char *parent = bytes_copy_text(bytes_of_text(path));
  *slash = '/';
  bool made = make_directory(path, parent);
  /* Twice at the most: in /proc the kernel says that a directory is missing whose parent is there. */
  if (!made && errno == ENOENT) made = make_directories(parent) && make_directory(path, parent);
  int error = errno;
  free(parent);
  errno = error;
  return made;
}

int spool_directory_make(const char *cni_dir) {
  int fd = spool_directory_open(cni_dir);
  if (fd >= 0 || errno != ENOENT) return fd;
  struct buffer path = {0};
  spool_directory_path(cni_dir, &path);
  char *text = bytes_copy_text((struct bytes){path.data, path.length});
  bool made = make_directories(text);
  int error = errno;
  free(text);
  buffer_free(&path);
  errno = error;
  return made ? spool_directory_open(cni_dir) : -1;
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
  *entry = (struct spool_entry){0};
  /* Some file systems, vfat for one, have names of more bytes than NAME_MAX. */
  if (name[0] == '.' || strlen(name) > NAME_MAX) return false;
  memcpy(entry->name, name, strlen(name));
  if (has_prefix(entry->name, broken_prefix) || has_prefix(entry->name, failed_prefix)) {
    entry->kind = SPOOL_ASIDE;
  } else if (strlen(entry->name) <= SPOOL_NAME_MAX && take_number(entry->name, SPOOL_TIME_DIGITS, &entry->time) &&
             take_number(entry->name + SPOOL_TIME_DIGITS + 1, SPOOL_TRIES_DIGITS, &tries) &&
             request_is_container_id(spool_entry_container(entry))) {
    entry->kind = SPOOL_RECORD;
  } else {
    entry->kind = SPOOL_FOREIGN;
  }
  entry->tries = (unsigned)tries;
  return true;
}

static void append_entry(struct spool_list *list, const char *name) {
  struct spool_entry entry;
  if (!spool_entry_read(name, &entry)) return;
  if (list->count == list->capacity) {
    size_t capacity = list->capacity == 0 ? ENTRIES_FIRST : 2 * list->capacity;
    struct spool_entry *entries = memory_take(capacity * sizeof *entries);
    if (list->count > 0) memcpy(entries, list->entries, list->count * sizeof *entries);
    free(list->entries);
    list->entries = entries;
    list->capacity = capacity;
  }
  list->entries[list->count++] = entry;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const struct spool_entry *)a)->name, ((const struct spool_entry *)b)->name);
}

bool spool_list_read(int directory, struct spool_list *list) {
  *list = (struct spool_list){0};
  /* Of its own, so that nobody's place in the directory matters. */
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  DIR *stream = fdopendir(fd);
  if (stream == NULL) {
    (void)close(fd);
    return false;
  }
  const struct dirent *found;
  while (errno = 0, (found = readdir(stream)) != NULL) {
    append_entry(list, found->d_name);
  }
  int error = errno;
  (void)closedir(stream);
  if (list->count > 0) qsort(list->entries, list->count, sizeof *list->entries, compare_names);
  errno = error;
  return error == 0;
}

void spool_list_free(struct spool_list *list) {
  free(list->entries);
  *list = (struct spool_list){0};
}

bool spool_entry_is_of(const struct spool_entry *entry, const char *container_id) {
  return entry->kind == SPOOL_RECORD && strcmp(spool_entry_container(entry), container_id) == 0;
}

void spool_name_make(uint64_t time, unsigned tries, const char *container_id, struct buffer *name) {
  char head[SPOOL_CONTAINER_ID_AT + 24];
  (void)snprintf(head, sizeof head, "%0*" PRIu64 "-%0*u-", SPOOL_TIME_DIGITS, time, SPOOL_TRIES_DIGITS, tries);
  buffer_say(name, head, container_id);
}

int spool_file_open(int directory, const char *name) {
  /* O_NONBLOCK: it may be anything, and a FIFO would keep us waiting. */
  return openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool spool_file_is(int directory, const char *name, int fd) {
  struct stat open_file, named_file;
  return fstat(fd, &open_file) == 0 && fstatat(directory, name, &named_file, AT_SYMLINK_NOFOLLOW) == 0 &&
         open_file.st_dev == named_file.st_dev && open_file.st_ino == named_file.st_ino;
}

static bool read_all(int fd, struct buffer *content, struct buffer *problem) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > SPOOL_RECORD_MAX_BYTES) {
    buffer_say(problem, "it is no ordinary file, or too large");
    return false;
  }
  /* One byte more than it has: no more is read of one that grows meanwhile. */
  buffer_reserve(content, (size_t)status.st_size + 1);
  while (content->length < content->capacity) {
    ssize_t length = read(fd, content->data + content->length, content->capacity - content->length);
    if (length == 0) return true;
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) {
      buffer_say(problem, "it cannot be read: ", strerror(errno));
      return false;
    }
    content->length += (size_t)length;
  }
  buffer_say(problem, "somebody writes to it");
  return false;
}

bool spool_file_read(int fd, const struct spool_entry *entry, struct spool_record *record, struct buffer *problem) {
  struct buffer content = {0};
  bool is_record = read_all(fd, &content, problem) &&
                   spool_record_decode((struct bytes){content.data, content.length}, record, problem);
  buffer_free(&content);
  if (is_record && !spool_entry_is_of(entry, record->request.container_id)) {
    buffer_say(problem, "it is of another container than its name");
    spool_record_free(record);
    return false;
  }
  return is_record;
}

bool spool_entry_is_due(int directory, const struct spool_entry *entry) {
  if (entry->kind != SPOOL_RECORD) return false;
  if (entry->tries == 0) return true;
  struct stat status;
  if (fstatat(directory, entry->name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  int64_t wait = AGAIN_AFTER;
  for (unsigned i = 1; i < entry->tries && wait < AGAIN_AFTER_MOST; i++) wait *= 2;
  if (wait > AGAIN_AFTER_MOST) wait = AGAIN_AFTER_MOST;
  int64_t waited = clock_wall_micros() / MICROS_PER_SECOND - (int64_t)status.st_mtim.tv_sec;
  /* Below zero: the clock was set back, and nobody knows how far. */
  return waited >= wait || waited < 0;
}

/* Renames, for good. */
static bool rename_file(int directory, const char *old_name, const char *new_name) {
  return renameat(directory, old_name, directory, new_name) == 0 && fsync(directory) == 0;
}

void spool_count_try(int directory, int fd, const struct spool_entry *entry, unsigned most) {
  struct buffer name = {0};
  unsigned tries = entry->tries + 1;
  bool is_aside = tries >= most;
  if (is_aside) buffer_say(&name, failed_prefix);
  spool_name_make(entry->time, tries, spool_entry_container(entry), &name);
  if (futimens(fd, NULL) != 0 || !rename_file(directory, entry->name, buffer_text(&name))) {
    notice("cannot count a try of the recorded DEL ", entry->name, ": ", strerror(errno));
  } else if (is_aside) {
    notice("a recorded DEL has failed too often, and is set aside as ", buffer_text(&name));
  }
  buffer_free(&name);
}

bool spool_can_remove(int directory, const char *name) {
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
  /* No record: it is only set aside. */
  if (S_ISDIR(status.st_mode)) return faccessat(directory, ".", W_OK, 0) == 0;
  /* As a directory no file can be removed. The kernel says so last: first what forbids it to remove anything of that name. */
  return unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOTDIR || errno == ENOENT;
}

bool spool_remove(int directory, const struct spool_entry *entry) {
  return unlinkat(directory, entry->name, 0) == 0 && fsync(directory) == 0;
}

void spool_aside_name_make(const char *name, struct buffer *aside) {
  struct bytes bytes = bytes_of_text(name);
  buffer_say(aside, broken_prefix);
  if (bytes.length <= SPOOL_NAME_MAX) {
    buffer_append_bytes(aside, bytes);
    return;
  }
  char tail[ASIDE_TAIL_BYTES + 1];
  (void)snprintf(tail, sizeof tail, "-%08" PRIx32, spool_checksum(bytes));
  buffer_append(aside, name, SPOOL_NAME_MAX - ASIDE_TAIL_BYTES);
  buffer_say(aside, tail);
}

bool spool_set_aside(int directory, const char *name, const char *problem) {
  struct buffer aside = {0};
  spool_aside_name_make(name, &aside);
  bool moved = rename_file(directory, name, buffer_text(&aside));
  /* Gone: somebody else has done it. */
  bool is_aside = moved || errno == ENOENT;
  if (moved) {
    notice("a file among the recorded DELs is no record, and is set aside as ", buffer_text(&aside), ": ", problem);
  } else if (!is_aside) {
    notice("a file among the recorded DELs is no record (", problem, "), and cannot be set aside: ", name, ": ", strerror(errno));
  }
  buffer_free(&aside);
  return is_aside;
}
