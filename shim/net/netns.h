/* Network namespaces: sockets in those of others, where a path leads, and which namespace it is. */
#pragma once

#include "base/buffer.h"

/* Opens this process's own namespace, for the return to it. Only needed if /proc will be out of reach later; otherwise the first socket does it.
 * False: `problem` says why. */
bool netns_open_own(struct buffer *problem);

/* Does the path certainly lead to this process's own namespace? */
bool netns_is_own(const char *path);

/* Opens a socket in the namespace at path `netns` (a text without zero bytes). The socket belongs to that namespace; the process returns
 * to its own before the function returns. If it cannot return, the process ends.
 * Returns the socket, or -1 with the reason appended to `problem`. */
int netns_socket(struct bytes netns, int family, int type, int protocol, struct buffer *problem);

/* The descriptor of this process's own namespace, once netns_open_own() or one of the functions around it has succeeded. */
int netns_own(void);

/* Enters the namespace at path `netns`, and opens it. Returns its descriptor, or -1 with the reason appended to `problem`: the process is in its own then. */
int netns_enter(struct bytes netns, struct buffer *problem);

/* The same for a namespace that must not be the process's own: what is at a path may have changed since the call began. */
int netns_enter_other(struct bytes netns, struct buffer *problem);

/* Returns to the process's own namespace. If it cannot, the process ends: a delegate started from a foreign namespace would do harm there. */
void netns_leave(void);

enum netns_use {
  /* There is no network namespace at this path (any more). */
  NETNS_GONE,
  /* This process's own; for a plugin that is the host's. */
  NETNS_OWN,
  /* The path contains a symbolic link, and may lead elsewhere later. Every file of /proc/PID/ns is such a link. */
  NETNS_INDIRECT,
  /* Processes run in it, or that is unknown. */
  NETNS_BUSY,
  /* No process runs in it. */
  NETNS_LEFT,
};

/* NETNS_GONE, NETNS_OWN or, for any other namespace, NETNS_LEFT, without a look at its path and its processes. */
enum netns_use netns_place_of(const char *path);

/* Expensive: reads the namespaces of all processes. */
enum netns_use netns_use_of(const char *path);

/* Tells later whether a path still leads to the same namespace. */
struct netns_identity {
  /* Of the boot in which the rest means something; "" where the path led to no network namespace. */
  char boot_id[40];
  uint64_t device;
  uint64_t inode;
  /* The kernel's own number for the namespace, never used twice in a boot; 0 where it has none (before Linux 5.14) or does not tell us:
   * then nothing is certain, for inode numbers are used again, and soon. */
  uint64_t cookie;
};

/* Reads the identity of the namespace at `path`. */
struct netns_identity netns_identify(const char *path);

/* Are both certainly the same network namespace? */
bool netns_identity_equals(const struct netns_identity *a, const struct netns_identity *b);
