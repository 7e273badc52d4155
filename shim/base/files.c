/* Descriptors and files. */
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void file_close(int *fd) {
  int error = errno;
  /* The kernel closes the descriptor even on EINTR and EIO. */
  if (*fd >= 0) (void)close(*fd);
  *fd = -1;
  errno = error;
}

bool file_is_same(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

bool file_write(int fd, const void *data, size_t length) {
  const uint8_t *at = data;
  while (length > 0) {
    ssize_t written = write(fd, at, length);
    if (written >= 0) {
      at += written;
      length -= (size_t)written;
    } else if (errno == EAGAIN) {
      struct pollfd wait = {.fd = fd, .events = POLLOUT};
      if (poll(&wait, 1, -1) < 0 && errno != EINTR) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

static bool make_directory(const char *path, const char *parent, bool syncs) {
  if (mkdir(path, S_IRWXU) != 0) return errno == EEXIST;
  if (!syncs) return true;
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool is_synced = fd >= 0 && fsync(fd) == 0;
  file_close(&fd);
  return is_synced;
}

bool file_make_directories(const char *path, bool syncs) {
  struct buffer part = {0}, parent = {0};
  bool is_there = true;
  buffer_say(&parent, "/");
  for (size_t end = 1; is_there && path[end - 1] != 0; end++) {
    if (path[end] != '/' && path[end] != 0) continue;
    part.length = 0;
    buffer_append(&part, path, end);
    is_there = make_directory(buffer_text(&part), buffer_text(&parent), syncs);
    parent.length = 0;
    buffer_append(&parent, path, end);
  }
  int error = errno;
  buffer_free(&part);
  buffer_free(&parent);
  errno = error;
  return is_there;
}

bool file_close_inherited(void) {
  /* List them instead of closing every number up to the limit: containerd's unit has no limit, which is a thousand million on some nodes. */
  DIR *descriptors = opendir("/proc/self/fd");
  if (descriptors == NULL) return false;
  const struct dirent *found;
  while ((found = readdir(descriptors)) != NULL) {
    int fd = atoi(found->d_name);
    if (fd <= STDERR_FILENO) continue;
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) (void)close(fd);
  }
  return closedir(descriptors) == 0;
}
