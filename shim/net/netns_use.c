/* Which network namespaces an order or a recorded DEL may name that the runtime's call does not. */
#include "net/netns_use.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "net/netns.h"

/* From linux/magic.h; the headers of the build machine may be older than the node's kernel. */
#define NAMESPACE_FILE_SYSTEM 0x6e736673

int netns_open(const char *path, struct stat *file) {
  struct statfs system;
  /* Check before opening: the path may be a device that acts on being opened. */
  if (path[0] == 0 || statfs(path, &system) != 0 || system.f_type != NAMESPACE_FILE_SYSTEM) return -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  if (fstatfs(fd, &system) == 0 && system.f_type == NAMESPACE_FILE_SYSTEM && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET &&
      fstat(fd, file) == 0) {
    return fd;
  }
  (void)close(fd);
  return -1;
}

static bool is_same(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

/* netns_place_of(), and the namespace's file. */
static enum netns_use look(const char *path, struct stat *file) {
  struct stat own;
  int fd = netns_open(path, file);
  if (fd < 0) return NETNS_GONE;
  (void)close(fd);
  return netns_stat_own(&own) && !is_same(&own, file) ? NETNS_LEFT : NETNS_OWN;
}

enum netns_use netns_place_of(const char *path) {
  struct stat file;
  return look(path, &file);
}

/* Is the path canonical, without symbolic links? */
static bool is_direct(const char *path) {
  char *resolved = realpath(path, NULL);
  bool is = resolved != NULL && strcmp(resolved, path) == 0;
  free(resolved);
  return is;
}

static bool has_process(const struct stat *netns) {
  DIR *processes = opendir("/proc");
  if (processes == NULL) return true;
  bool has = false;
  struct buffer name = {0};
  const struct dirent *entry;
  while (!has && (entry = readdir(processes)) != NULL) {
    struct stat file;
    if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name)) continue;
    name.length = 0;
    buffer_say(&name, entry->d_name, "/ns/net");
    /* One that has ended meanwhile, or whose namespaces are not ours to see. */
    if (fstatat(dirfd(processes), buffer_text(&name), &file, 0) != 0) continue;
    has = is_same(&file, netns);
  }
  buffer_free(&name);
  (void)closedir(processes);
  return has;
}

enum netns_use netns_use_of(const char *path) {
  struct stat file;
  enum netns_use use = look(path, &file);
  if (use != NETNS_LEFT) return use;
  if (!is_direct(path)) return NETNS_INDIRECT;
  return has_process(&file) ? NETNS_BUSY : NETNS_LEFT;
}
