/* Work over a netlink socket in another network namespace. */
#pragma once

#include "base/buffer.h"

enum {
  /* How often a dump is retried that the kernel marks as inconsistent. */
  NETLINK_DUMP_ATTEMPTS = 10,
};

enum netlink_outcome { NETLINK_DONE, NETLINK_NO_NETNS, NETLINK_FAILED };

struct netlink_call {
  int descriptor;
  /* The present step, for the message of a failure. */
  const char *doing;
  /* The kernel's message. */
  struct buffer explanation;
};

/* The work. 0 or an errno. */
typedef int netlink_work(struct netlink_call *call, void *context);

/* Does work over a socket in the namespace at path `netns`. Appends a failure to `problem`: `about` and `if_name` (which may be empty), the namespace,
 * the step, and the reason. */
enum netlink_outcome netlink_call(struct bytes netns, const char *about, struct bytes if_name, netlink_work *work, void *context,
                                  struct buffer *problem);
