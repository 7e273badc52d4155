/* The directory of recorded DELs, and its files' names (docs/wire.md, "DELs while no daemon is there"). */
#include "spool/spool_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/request.h"

static const char directory_name[] = "/.spool";
static const char broken_prefix[] = "broken-";
static const char failed_prefix[] = "failed-";
const char spool_recording[] = ".recording";

enum {
  DIRECTORY_MODE = 0700,
  ENTRIES_FIRST = 64,
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

static bool is_same_file(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

bool spool_directory_is(const char *cni_dir, int directory) {
  struct stat open_directory, named_directory;
  struct buffer path = {0};
  spool_directory_path(cni_dir, &path);
  bool is = fstat(directory, &open_directory) == 0 && lstat(buffer_text(&path), &named_directory) == 0 &&
            is_same_file(&open_directory, &named_directory);
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

/* Reads the directory from its beginning; nobody else's place in it matters. NULL with errno. */
static DIR *open_stream(int directory) {
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return NULL;
  DIR *stream = fdopendir(fd);
  int error = errno;
  if (stream == NULL) (void)close(fd);
  errno = error;
  return stream;
}

bool spool_list_read(int directory, struct spool_list *list) {
  *list = (struct spool_list){0};
  DIR *stream = open_stream(directory);
  if (stream == NULL) return false;
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

bool spool_directory_has_waiting(int directory) {
  DIR *stream = open_stream(directory);
  if (stream == NULL) return false;
  const struct dirent *found;
  struct spool_entry entry;
  bool waits = false;
  while (errno = 0, !waits && (found = readdir(stream)) != NULL) {
    waits = spool_entry_read(found->d_name, &entry) && entry.kind != SPOOL_ASIDE;
  }
  int error = errno;
  (void)closedir(stream);
  errno = error;
  return waits;
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

bool spool_file_is(int directory, const char *name, int fd) {
  struct stat open_file, named_file;
  return fstat(fd, &open_file) == 0 && fstatat(directory, name, &named_file, AT_SYMLINK_NOFOLLOW) == 0 &&
         is_same_file(&open_file, &named_file);
}

static bool read_all(int fd, size_t most, struct buffer *content) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || (uint64_t)status.st_size > most) return false;
  /* One byte more than it has: no more is read of one that grows meanwhile. */
  buffer_reserve(content, (size_t)status.st_size + 1);
  while (content->length < content->capacity) {
    ssize_t length = read(fd, content->data + content->length, content->capacity - content->length);
    if (length == 0) return true;
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return false;
    content->length += (size_t)length;
  }
  return false;
}

bool spool_file_read(int directory, const char *name, size_t most, struct buffer *content) {
  /* O_NONBLOCK: it may be anything, and a FIFO would keep us waiting. */
  int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return false;
  bool is_read = read_all(fd, most, content);
  (void)close(fd);
  return is_read;
}
