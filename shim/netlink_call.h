/* Work over a netlink socket in another network namespace. */
#ifndef MULTUS_NETLINK_CALL_H
#define MULTUS_NETLINK_CALL_H

#include "buffer.h"

enum {
  /* How often a dump that changed under us is asked for again. */
  NETLINK_DUMP_ATTEMPTS = 10,
};

enum netlink_outcome { NETLINK_DONE, NETLINK_NO_NETNS, NETLINK_FAILED };

struct netlink_call {
  int descriptor;
  /* What is being done, for the message if it fails. */
  const char *doing;
  /* The kernel's own words. */
  struct buffer explanation;
};

/* The work. 0 or an errno. */
typedef int netlink_work(struct netlink_call *call, void *context);

/* Does work over a socket in the namespace at path `netns`. What is wrong is appended to `problem`: `about` and `if_name` (which may be empty), the namespace,
 * what was being done, and why that failed. */
enum netlink_outcome netlink_call(struct bytes netns, const char *about, struct bytes if_name, netlink_work *work, void *context,
                                  struct buffer *problem);

#endif
