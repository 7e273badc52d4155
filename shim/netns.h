/* Sockets in other network namespaces, and the question whether a link is there. */
#ifndef MULTUS_NETNS_H
#define MULTUS_NETNS_H

#include <sys/stat.h>

#include "buffer.h"

/* Notes this process's own namespace, for the way back: the first socket does that, unless /proc will be out of reach by then.
 * False: `problem` says why. */
bool netns_open_own(struct buffer *problem);

/* Which file this process's own namespace is. False: that cannot be told. */
bool netns_stat_own(struct stat *file);

/* Does the path lead to this process's own namespace, for certain? */
bool netns_is_own(const char *path);

/* Opens a socket in the namespace at path `netns` (a text without zero bytes); it stays a socket of that namespace,
 * while this process is back in its own before the function returns. If it cannot get back, the process ends.
 * Returns the socket, or -1 with what is wrong appended to `problem`. */
int netns_socket(struct bytes netns, int family, int type, int protocol, struct buffer *problem);

enum link_state { LINK_ABSENT, LINK_PRESENT, LINK_NO_NETNS, LINK_UNKNOWN };

/* Is there a link of this name (or with this as an alternative name) in the namespace?
 * LINK_NO_NETNS, LINK_UNKNOWN: `problem` says why that cannot be told. */
enum link_state link_look(struct bytes netns, struct bytes if_name, struct buffer *problem);

#endif
