/* The files in which host-local keeps who has which address of a network. */
#include "net/address_files.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"

enum {
  LOCK_STEP_MS = 2,
  /* For the lock, when an order is undone. */
  RESTORE_PATIENCE = MICROS_PER_SECOND,
  /* A directory of more files is not read. */
  FILES_MAX = 65536,
  /* Longer files are no address files. */
  CONTENT_MAX_BYTES = 512,
  /* Candidates that are passed over as they are taken. */
  TAKEN_MAX = 4096,
};

int directory_open(struct bytes path) {
  int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (at >= 0 && path.length > 0) {
    bytes_skip(&path, 1);
    const uint8_t *slash = path.length > 0 ? memchr(path.data, '/', path.length) : NULL;
    struct bytes part = {path.data, slash == NULL ? path.length : (size_t)(slash - path.data)};
    char name[NAME_MAX + 1] = {0};
    int next = -1;
    errno = ENAMETOOLONG;
    if (part.length < sizeof name) {
      memcpy(name, part.data, part.length);
      next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    file_close(&at);
    at = next;
    bytes_skip(&path, part.length);
  }
  int directory = at < 0 ? -1 : openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  file_close(&at);
  return directory;
}

bool address_files_open(struct address_files *files, struct bytes directory) {
  *files = (struct address_files){.directory = directory_open(directory), .lock = -1};
  if (files->directory >= 0) files->lock = openat(files->directory, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  return files->lock >= 0;
}

bool address_files_lock(const struct address_files *files, int64_t until) {
  while (flock(files->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    if (clock_micros() >= until) {
      errno = ETIMEDOUT;
      return false;
    }
    (void)poll(NULL, 0, LOCK_STEP_MS);
  }
  return true;
}

void address_files_close(struct address_files *files) {
  file_close(&files->directory);
  file_close(&files->lock);
}

/* Reads a small regular file, without the white space around its content. False: it is none. */
static bool read_file(int directory, const char *name, uint8_t content[CONTENT_MAX_BYTES], struct bytes *read_bytes) {
  struct stat status;
  int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  ssize_t length = -1;
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) length = read(fd, content, CONTENT_MAX_BYTES);
  file_close(&fd);
  if (length < 0 || length == CONTENT_MAX_BYTES) return false;
  static const char spaces[] = " \t\n\v\f\r";
  while (length > 0 && memchr(spaces, content[length - 1], sizeof spaces - 1) != NULL) length--;
  *read_bytes = (struct bytes){content, (size_t)length};
  while (read_bytes->length > 0 && memchr(spaces, read_bytes->data[0], sizeof spaces - 1) != NULL) bytes_skip(read_bytes, 1);
  return true;
}

/* Looks for files with one of the contents, of which `second` may be empty, and removes them if wanted. Returns their number, or -1 with errno. */
static int look_for(int directory, struct bytes first, struct bytes second, bool removes) {
  uint8_t content[CONTENT_MAX_BYTES];
  struct bytes bytes;
  int found = 0, seen = 0;
  int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = copy < 0 ? NULL : fdopendir(copy);
  if (entries == NULL) {
    file_close(&copy);
    return -1;
  }
  const struct dirent *entry;
  while (found >= 0 && (entry = readdir(entries)) != NULL) {
    if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) continue;
    if (++seen > FILES_MAX) {
      errno = EFBIG;
      found = -1;
    } else if (read_file(directory, entry->d_name, content, &bytes) &&
               (bytes_equal(bytes, first) || (second.length > 0 && bytes_equal(bytes, second)))) {
      found++;
      if (removes && unlinkat(directory, entry->d_name, 0) != 0 && errno != ENOENT) found = -1;
    }
  }
  int error = errno;
  (void)closedir(entries);
  errno = error;
  return found;
}

static void put_owner(struct buffer *owner, const char *container_id, const char *if_name) { buffer_say(owner, container_id, "\r\n", if_name); }

bool address_files_release(const struct address_files *files, const char *container_id, const char *if_name) {
  struct buffer owner = {0};
  put_owner(&owner, container_id, if_name);
  int found = look_for(files->directory, buffer_bytes(&owner), (struct bytes){0}, true);
  /* Files of earlier releases do not name the interface. */
  if (found == 0) found = look_for(files->directory, bytes_of_text(container_id), (struct bytes){0}, true);
  buffer_free(&owner);
  return found >= 0;
}

static bool ip_equal(const struct ip_address *a, const struct ip_address *b) {
  return a->length > 0 && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool holds(const struct native_range *range, const struct ip_address *address) {
  return address->length == range->first.length && memcmp(address->bytes, range->first.bytes, address->length) >= 0 &&
         memcmp(address->bytes, range->last.bytes, address->length) <= 0;
}

static void advance(struct ip_address *address) {
  for (size_t i = address->length; i > 0 && ++address->bytes[i - 1] == 0; i--) continue;
}

static void put_text(const struct ip_address *address, char text[INET6_ADDRSTRLEN]) {
  if (inet_ntop(address->family, address->bytes, text, INET6_ADDRSTRLEN) == NULL) text[0] = '\0';
}

/* A shim that is killed before it has written to a file with a name leaves one that says nothing: nobody ever releases the address. */
int directory_prepare_file(int directory, struct bytes content) {
  int unnamed = openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (unnamed >= 0 && !file_write(unnamed, content.data, content.length)) file_close(&unnamed);
  return unnamed;
}

int directory_make_file(int directory, const char *name, int unnamed, struct bytes content) {
  char path[32];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", unnamed);
  if (unnamed >= 0) return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return errno;
  int error = file_write(fd, content.data, content.length) ? 0 : errno;
  file_close(&fd);
  if (error != 0) (void)unlinkat(directory, name, 0);
  return error;
}

/* Writes it in place: a file that is truncated first is flushed when it is closed. 0 or an errno. */
static int put_last(int directory, const char *name, const char *address) {
  struct stat status;
  size_t length = strlen(address);
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return errno;
  bool is_written = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && file_write(fd, address, length) &&
                    (status.st_size <= (off_t)length || ftruncate(fd, (off_t)length) == 0);
  int error = is_written ? 0 : errno == 0 ? EINVAL : errno;
  file_close(&fd);
  return error;
}

/* The position in a range set: the address that was tried last, and its range. */
struct cursor {
  const struct native_range *ranges;
  size_t count;
  size_t range;
  struct ip_address at;
  struct ip_address start;
};

/* To the next candidate, in host-local's order. False: all have been tried. */
static bool next_candidate(struct cursor *cursor) {
  do {
    if (cursor->at.length == 0) {
      cursor->at = cursor->ranges[0].first;
    } else if (ip_equal(&cursor->at, &cursor->ranges[cursor->range].last)) {
      cursor->range = (cursor->range + 1) % cursor->count;
      cursor->at = cursor->ranges[cursor->range].first;
    } else {
      advance(&cursor->at);
    }
    if (ip_equal(&cursor->at, &cursor->start)) return false;
    if (cursor->start.length == 0) cursor->start = cursor->at;
  } while (ip_equal(&cursor->at, &cursor->ranges[cursor->range].gateway.address));
  return true;
}

static bool take_of_set(int directory, struct native_link *link, size_t set, struct bytes owner, struct buffer *problem) {
  size_t all, taken = 0;
  const struct native_range *ranges = native_ranges(link, &all);
  struct cursor cursor = {.ranges = ranges};
  for (size_t i = 0; i < all; i++) {
    if (ranges[i].set < set) cursor.ranges++;
    cursor.count += ranges[i].set == set;
  }
  const struct ip_address *requested = &link->requested[set];
  char last_name[32], text[INET6_ADDRSTRLEN] = "";
  uint8_t content[CONTENT_MAX_BYTES];
  struct bytes bytes;
  struct ip_address last = {0};
  (void)snprintf(last_name, sizeof last_name, "last_reserved_ip.%zu", set);
  if (!read_file(directory, last_name, content, &bytes) || !ip_address_read(bytes, &last)) last.length = 0;
  struct ip_address former = last;
  if (requested->length > 0) last = *requested;
  bool has_last = last.length > 0;
  for (size_t i = 0; has_last && cursor.at.length == 0 && i < cursor.count; i++) {
    if (!holds(&cursor.ranges[i], &last)) continue;
    cursor.range = i;
    cursor.at = last;
  }
  if (requested->length > 0 && (cursor.at.length == 0 || ip_equal(requested, &cursor.ranges[cursor.range].gateway.address))) {
    return problem_say(problem, "the address asked for is in no range of set %zu, or is its gateway", set);
  }
  int error = EEXIST;
  int unnamed = directory_prepare_file(directory, owner);
  while (error == EEXIST && (requested->length > 0 || next_candidate(&cursor))) {
    put_text(&cursor.at, text);
    error = directory_make_file(directory, text, unnamed, owner);
    if (error == EEXIST && (requested->length > 0 || ++taken == TAKEN_MAX)) break;
  }
  file_close(&unnamed);
  if (error != 0) return problem_say(problem, "no address of range set %zu can be taken (last tried: %s): %s", set, text, strerror(error));
  const struct native_range *range = &cursor.ranges[cursor.range];
  struct native_address made = {.address = cursor.at, .gateway = range->gateway, .prefix = range->prefix, .former_last = former};
  buffer_append(&link->made_addresses, &made, sizeof made);
  link->taken++;
  error = put_last(directory, last_name, text);
  return error == 0 || problem_say(problem, "cannot write %s: %s", last_name, strerror(error));
}

bool address_files_take(const struct address_files *files, struct native_link *link, const char *container_id, struct buffer *problem) {
  struct buffer owner = {0};
  put_owner(&owner, container_id, link->name);
  int found = look_for(files->directory, buffer_bytes(&owner), bytes_of_text(container_id), false);
  bool is_good = found == 0;
  if (found < 0) (void)problem_say(problem, "cannot read %.*s: %s", BYTES_TEXT(link->directory), strerror(errno));
  if (found > 0) (void)problem_say(problem, "the interface has an address in %.*s already", BYTES_TEXT(link->directory));
  for (size_t set = 0; is_good && set < link->set_count; set++) {
    is_good = take_of_set(files->directory, link, set, buffer_bytes(&owner), problem);
  }
  buffer_free(&owner);
  return is_good;
}

/* Writes once more which address was given last before those of the link, where nobody has given one since. An omission here costs others some addresses
 * that are passed over. */
static void restore_last(const struct native_link *link) {
  size_t count;
  const struct native_address *made = native_addresses(&link->made_addresses, &count);
  uint8_t content[CONTENT_MAX_BYTES];
  struct bytes bytes;
  struct ip_address last;
  char name[48], text[INET6_ADDRSTRLEN];
  struct address_files files = {.directory = link->directory_fd, .lock = -1};
  if (link->taken > 0) files.lock = openat(files.directory, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  bool is_locked = files.lock >= 0 && address_files_lock(&files, clock_micros() + RESTORE_PATIENCE);
  for (size_t i = 0; is_locked && i < link->taken; i++) {
    (void)snprintf(name, sizeof name, "last_reserved_ip.%zu", i);
    bool is_ours = read_file(files.directory, name, content, &bytes) && ip_address_read(bytes, &last) && ip_equal(&last, &made[i].address);
    if (!is_ours) continue;
    put_text(&made[i].former_last, text);
    if (made[i].former_last.length == 0) {
      (void)unlinkat(files.directory, name, 0);
    } else {
      (void)put_last(files.directory, name, text);
    }
  }
  file_close(&files.lock);
}

bool address_files_give_back(const struct native_link *link, const char *container_id) {
  size_t count;
  const struct native_address *made = native_addresses(&link->made_addresses, &count);
  struct buffer owner = {0};
  uint8_t content[CONTENT_MAX_BYTES];
  struct bytes bytes;
  int error = 0;
  char text[INET6_ADDRSTRLEN];
  put_owner(&owner, container_id, link->name);
  for (size_t i = 0; i < link->taken; i++) {
    put_text(&made[i].address, text);
    errno = 0;
    if (read_file(link->directory_fd, text, content, &bytes)) {
      /* Released meanwhile, and taken by another container. */
      if (!bytes_equal(bytes, buffer_bytes(&owner))) continue;
      (void)unlinkat(link->directory_fd, text, 0);
    }
    if (errno != 0 && errno != ENOENT) error = errno;
  }
  buffer_free(&owner);
  restore_last(link);
  errno = error;
  return error == 0;
}
