/* Opens sockets in other network namespaces, and tells whether a link exists. */
#include "net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/failure.h"

/* The process's own namespace, opened when first needed. */
static int own_netns = -1;

bool netns_open_own(struct buffer *problem) {
  if (own_netns < 0) own_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own_netns >= 0) return true;
  buffer_say(problem, "cannot open the plugin's own network namespace: ", strerror(errno));
  return false;
}

bool netns_stat_own(struct stat *file) {
  struct buffer ignored = {0};
  bool is_open = netns_open_own(&ignored);
  buffer_free(&ignored);
  return is_open && fstat(own_netns, file) == 0;
}

bool netns_is_own(const char *path) {
  struct stat file, own;
  return stat(path, &file) == 0 && netns_stat_own(&own) && file.st_dev == own.st_dev && file.st_ino == own.st_ino;
}

int netns_socket(struct bytes netns, int family, int type, int protocol, struct buffer *problem) {
  if (!netns_open_own(problem)) return -1;
  char *path = bytes_copy_text(netns);
  /* O_NONBLOCK: the path may be anything, and opening a FIFO would block. */
  int target = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (target < 0) {
    buffer_say(problem, "cannot open network namespace ", path, ": ", strerror(errno));
    free(path);
    return -1;
  }
  int descriptor = -1;
  if (setns(target, CLONE_NEWNET) != 0) {
    buffer_say(problem, "cannot enter network namespace ", path, ": ", strerror(errno));
  } else {
    descriptor = socket(family, type | SOCK_CLOEXEC, protocol);
    int error = errno;
    /* A delegate started from a foreign namespace would do harm there, so the process ends instead. */
    if (setns(own_netns, CLONE_NEWNET) != 0) fail_errno(CNI_INTERNAL, "cannot return to the plugin's own network namespace", errno);
    if (descriptor < 0) buffer_say(problem, "cannot open a socket in network namespace ", path, ": ", strerror(error));
  }
  free(path);
  if (close(target) != 0 && descriptor >= 0) {
    buffer_say(problem, "cannot close a network namespace: ", strerror(errno));
    (void)close(descriptor);
    return -1;
  }
  return descriptor;
}

enum link_state link_look(struct bytes netns, struct bytes if_name, struct buffer *problem) {
  char name[IF_NAMESIZE] = {0};
  if (if_name.length >= sizeof name) {
    buffer_say(problem, "the name of an interface has at most 15 bytes");
    return LINK_UNKNOWN;
  }
  memcpy(name, if_name.data, if_name.length);
  int descriptor = netns_socket(netns, AF_UNIX, SOCK_DGRAM, 0, problem);
  if (descriptor < 0) return LINK_NO_NETNS;
  /* SO_BINDTODEVICE looks the name up without the lock that all changes of links wait for. Unlike SIOCGIFINDEX, it does not try to load
   * a module "netdev-<name>" if the link is missing, which is the usual case. */
  enum link_state state = LINK_PRESENT;
  if (setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)if_name.length) != 0) {
    if (errno == ENODEV) {
      state = LINK_ABSENT;
    } else {
      buffer_say(problem, "cannot look for interface ", name, ": ", strerror(errno));
      state = LINK_UNKNOWN;
    }
  }
  if (close(descriptor) != 0) {
    buffer_say(problem, "cannot close a socket: ", strerror(errno));
    return LINK_UNKNOWN;
  }
  return state;
}
