/* The identity of the network namespace at a path, to tell later whether the path still leads to it. */
#include "net/netns_identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/netns.h"
#include "net/netns_use.h"

/* From asm-generic/socket.h; the headers of the build machine may be older than the node's kernel. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Left empty on failure: then no comparison succeeds. */
static void read_boot_id(struct netns_identity *identity) {
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, identity->boot_id, sizeof identity->boot_id - 1);
  if (length < 0) length = 0;
  identity->boot_id[length] = 0;
  identity->boot_id[strcspn(identity->boot_id, "\n")] = 0;
  (void)close(fd);
}

static uint64_t read_cookie(const char *path) {
  /* The reason does not matter: without a socket there is no cookie. */
  struct buffer ignored = {0};
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  int descriptor = netns_socket(bytes_of_text(path), AF_UNIX, SOCK_DGRAM, 0, &ignored);
  buffer_free(&ignored);
  if (descriptor < 0) return 0;
  if (getsockopt(descriptor, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0) cookie = 0;
  (void)close(descriptor);
  return cookie;
}

struct netns_identity netns_identify(const char *path) {
  struct netns_identity identity = {0};
  struct stat file;
  /* A runtime's path is an ordinary empty file once the namespace has been unmounted from it. */
  int fd = netns_open(path, &file);
  if (fd < 0) return identity;
  identity.device = file.st_dev;
  identity.inode = file.st_ino;
  identity.cookie = read_cookie(path);
  read_boot_id(&identity);
  (void)close(fd);
  return identity;
}

bool netns_identity_equals(const struct netns_identity *a, const struct netns_identity *b) {
  return a->boot_id[0] != 0 && a->cookie != 0 && strcmp(a->boot_id, b->boot_id) == 0 && a->device == b->device &&
         a->inode == b->inode && a->cookie == b->cookie;
}
