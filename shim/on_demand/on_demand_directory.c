/* Files in the socket's directory for the start of the daemon: a lock that one call holds, and the daemon's output. */
#include "on_demand/on_demand_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The daemon knows both names (src/socket/directory.ts). */
static const char lock_name[] = "multus.lock";
static const char output_name[] = "multusd.stderr";

enum { TAIL_BYTES = 2048, GROUP_AND_OTHERS_WRITE = S_IWGRP | S_IWOTH };

/* The path up to the socket's name, without trailing slashes: with one the kernel would follow a symbolic link. */
static char *directory_of(const char *socket_path) {
  size_t length = strlen(socket_path);
  while (length > 0 && socket_path[length - 1] != '/') length--;
  while (length > 1 && socket_path[length - 1] == '/') length--;
  return bytes_copy_text((struct bytes){(const uint8_t *)socket_path, length});
}

/* Creates the missing directories of an absolute path. */
static bool make_directories(char *path) {
  for (char *at = path + 1;; at++) {
    if (*at != '/' && *at != 0) continue;
    char after = *at;
    *at = 0;
    bool is_there = mkdir(path, S_IRWXU) == 0 || errno == EEXIST;
    *at = after;
    if (!is_there) return false;
    if (after == 0) return true;
  }
}

static bool say(struct buffer *problem, const char *path, const char *what) {
  buffer_say(problem, path, ": ", what);
  return false;
}

/* Can only this user, or root, create files there? */
static bool is_safe(int fd, const char *path, struct buffer *problem) {
  struct stat found;
  if (fstat(fd, &found) != 0) return say(problem, path, strerror(errno));
  if (found.st_uid != geteuid() && found.st_uid != 0) return say(problem, path, "it belongs to another user");
  if ((found.st_mode & GROUP_AND_OTHERS_WRITE) != 0) return say(problem, path, "others can write in it");
  return true;
}

/* Opens a file of the directory, created with mode 0600 if missing. */
static int open_file(const struct on_demand_directory *directory, const char *name, int flags, struct buffer *problem) {
  /* O_NONBLOCK: opening a FIFO would block until its other end is opened. */
  int fd = openat(directory->directory, name, flags | O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                  S_IRUSR | S_IWUSR);
  struct stat found;
  if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) return fd;
  (void)say(problem, name, fd < 0 ? strerror(errno) : "it is not a regular file");
  if (fd >= 0) (void)close(fd);
  return -1;
}

bool on_demand_directory_open(struct on_demand_directory *directory, const char *socket_path, struct buffer *problem) {
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  char *path = directory_of(socket_path);
  directory->directory = open(path, flags);
  if (directory->directory < 0 && errno == ENOENT && make_directories(path)) directory->directory = open(path, flags);
  bool is_good = directory->directory >= 0 ? is_safe(directory->directory, path, problem) : say(problem, path, strerror(errno));
  free(path);
  if (is_good) directory->lock = open_file(directory, lock_name, 0, problem);
  return is_good && directory->lock >= 0;
}

enum lock_status on_demand_directory_lock(const struct on_demand_directory *directory, struct buffer *problem) {
  if (flock(directory->lock, LOCK_EX | LOCK_NB) == 0) return LOCK_TAKEN;
  if (errno == EWOULDBLOCK || errno == EINTR) return LOCK_BUSY;
  (void)say(problem, lock_name, strerror(errno));
  return LOCK_FAILED;
}

bool on_demand_directory_open_output(struct on_demand_directory *directory, struct buffer *problem) {
  /* O_APPEND: the file gets no hole if another process truncates it or writes to it. */
  directory->output = open_file(directory, output_name, O_TRUNC | O_APPEND, problem);
  return directory->output >= 0;
}

void on_demand_directory_append_output(const struct on_demand_directory *directory, struct buffer *out) {
  struct stat found;
  if (directory->output < 0 || fstat(directory->output, &found) != 0) return;
  off_t begin = found.st_size > TAIL_BYTES ? found.st_size - TAIL_BYTES : 0;
  buffer_reserve(out, TAIL_BYTES);
  ssize_t length = pread(directory->output, out->data + out->length, TAIL_BYTES, begin);
  if (length <= 0) return;
  size_t end = out->length + (size_t)length;
  while (end > out->length && out->data[end - 1] == '\n') end--;
  out->length = end;
}

static void close_descriptor(int *fd) {
  if (*fd >= 0) (void)close(*fd);
  *fd = -1;
}

void on_demand_directory_close(struct on_demand_directory *directory) {
  close_descriptor(&directory->output);
  close_descriptor(&directory->lock);
  close_descriptor(&directory->directory);
}
