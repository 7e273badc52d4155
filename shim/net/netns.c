/* Network namespaces: sockets in those of others, where a path leads, and which namespace it is. */
#include "net/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/files.h"

/* From linux/magic.h and asm-generic/socket.h; the headers of the build machine may be older than the node's kernel. */
#define NAMESPACE_FILE_SYSTEM 0x6e736673
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* The process's own namespace, opened when first needed. */
static int own_netns = -1;

bool netns_open_own(struct buffer *problem) {
  if (own_netns < 0) own_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  return own_netns >= 0 || problem_say(problem, "cannot open the plugin's own network namespace: %s", strerror(errno));
}

static bool stat_own(struct stat *file) {
  struct buffer ignored = {0};
  bool is_open = netns_open_own(&ignored);
  buffer_free(&ignored);
  return is_open && fstat(own_netns, file) == 0;
}

bool netns_is_own(const char *path) {
  struct stat file, own;
  return stat(path, &file) == 0 && stat_own(&own) && file_is_same(&file, &own);
}

int netns_own(void) { return own_netns; }

int netns_enter(struct bytes netns, struct buffer *problem) {
  if (!netns_open_own(problem)) return -1;
  char *path = bytes_copy_text(netns);
  /* O_NONBLOCK: the path may be anything, and opening a FIFO would block. */
  int target = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  const char *doing = target < 0 ? "open" : "enter";
  if (target >= 0 && setns(target, CLONE_NEWNET) != 0) file_close(&target);
  if (target < 0) (void)problem_say(problem, "cannot %s network namespace %s: %s", doing, path, strerror(errno));
  free(path);
  return target;
}

int netns_enter_other(struct bytes netns, struct buffer *problem) {
  struct stat file, own;
  int target = netns_enter(netns, problem);
  if (target < 0 || (fstat(target, &file) == 0 && stat_own(&own) && !file_is_same(&file, &own))) return target;
  netns_leave();
  file_close(&target);
  (void)problem_say(problem, "%.*s is the plugin's own network namespace", BYTES_TEXT(netns));
  return -1;
}

void netns_leave(void) {
  if (setns(own_netns, CLONE_NEWNET) != 0) fail_errno(CNI_INTERNAL, "cannot return to the plugin's own network namespace", errno);
}

int netns_socket(struct bytes netns, int family, int type, int protocol, struct buffer *problem) {
  int target = netns_enter(netns, problem);
  if (target < 0) return -1;
  int descriptor = socket(family, type | SOCK_CLOEXEC, protocol);
  int error = errno;
  netns_leave();
  file_close(&target);
  if (descriptor < 0) (void)problem_say(problem, "cannot open a socket in network namespace %.*s: %s", BYTES_TEXT(netns), strerror(error));
  return descriptor;
}

/* Opens the network namespace at `path`; `file` is its file. -1: there is none. Never opens anything but a network namespace. */
static int open_netns(const char *path, struct stat *file) {
  struct statfs system;
  /* Check before opening: the path may be a device that acts on being opened. */
  if (path[0] == 0 || statfs(path, &system) != 0 || system.f_type != NAMESPACE_FILE_SYSTEM) return -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd >= 0 && (fstatfs(fd, &system) != 0 || system.f_type != NAMESPACE_FILE_SYSTEM || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET ||
                  fstat(fd, file) != 0)) {
    file_close(&fd);
  }
  return fd;
}

/* netns_place_of(), and the namespace's file. */
static enum netns_use look(const char *path, struct stat *file) {
  struct stat own;
  int fd = open_netns(path, file);
  if (fd < 0) return NETNS_GONE;
  file_close(&fd);
  return stat_own(&own) && !file_is_same(&own, file) ? NETNS_LEFT : NETNS_OWN;
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
    /* One that has ended meanwhile, or whose namespaces are not ours to see, fails. */
    has = fstatat(dirfd(processes), buffer_text(&name), &file, 0) == 0 && file_is_same(&file, netns);
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

/* Left empty on failure: then no comparison succeeds. */
static void read_boot_id(struct netns_identity *identity) {
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, identity->boot_id, sizeof identity->boot_id - 1);
  identity->boot_id[length < 0 ? 0 : length] = 0;
  identity->boot_id[strcspn(identity->boot_id, "\n")] = 0;
  file_close(&fd);
}

static uint64_t read_cookie(const char *path) {
  /* The reason does not matter: without a socket there is no cookie. */
  struct buffer ignored = {0};
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  int descriptor = netns_socket(bytes_of_text(path), AF_UNIX, SOCK_DGRAM, 0, &ignored);
  buffer_free(&ignored);
  if (descriptor < 0 || getsockopt(descriptor, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0) cookie = 0;
  file_close(&descriptor);
  return cookie;
}

struct netns_identity netns_identify(const char *path) {
  struct netns_identity identity = {0};
  struct stat file;
  /* A runtime's path is an ordinary empty file once the namespace has been unmounted from it. */
  int fd = open_netns(path, &file);
  if (fd < 0) return identity;
  identity = (struct netns_identity){.device = file.st_dev, .inode = file.st_ino, .cookie = read_cookie(path)};
  read_boot_id(&identity);
  file_close(&fd);
  return identity;
}

bool netns_identity_equals(const struct netns_identity *a, const struct netns_identity *b) {
  return a->boot_id[0] != 0 && a->cookie != 0 && strcmp(a->boot_id, b->boot_id) == 0 && a->device == b->device &&
         a->inode == b->inode && a->cookie == b->cookie;
}
