/* Opens sockets in other network namespaces, and tells whether a link exists. */
#pragma once

#include <sys/stat.h>

#include "base/buffer.h"

/* Opens this process's own namespace, for the return to it. Only needed if /proc will be out of reach later; otherwise the first socket does it.
 * False: `problem` says why. */
bool netns_open_own(struct buffer *problem);

/* The file of this process's own namespace. False: it is unknown. */
bool netns_stat_own(struct stat *file);

/* Does the path certainly lead to this process's own namespace? */
bool netns_is_own(const char *path);

/* Opens a socket in the namespace at path `netns` (a text without zero bytes). The socket belongs to that namespace; the process returns
 * to its own before the function returns. If it cannot return, the process ends.
 * Returns the socket, or -1 with the reason appended to `problem`. */
int netns_socket(struct bytes netns, int family, int type, int protocol, struct buffer *problem);

enum link_state { LINK_ABSENT, LINK_PRESENT, LINK_NO_NETNS, LINK_UNKNOWN };

/* Is there a link of this name (or with this alternative name) in the namespace?
 * LINK_NO_NETNS, LINK_UNKNOWN: it is unknown; `problem` says why. */
enum link_state link_look(struct bytes netns, struct bytes if_name, struct buffer *problem);
