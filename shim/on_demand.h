/* The daemon that runs only while it is needed: `daemonCommand` of the netconf starts it, once, and every call waits until it serves. */
#ifndef MULTUS_ON_DEMAND_H
#define MULTUS_ON_DEMAND_H

#include "failure.h"
#include "signals.h"

/* What the netconf says about it. */
struct on_demand {
  /* The program, an absolute path, and its arguments: zero terminated texts, one after the other. */
  struct buffer command;
  /* How many texts there are. 0: nothing is started, the daemon is expected to run. */
  size_t count;
  uint32_t start_timeout_ms;
};

/* Why there is no daemon. Without a message it is errno that says so. */
struct on_demand_problem {
  enum cni_error code;
  struct buffer message;
  struct buffer details;
};

/* Takes `daemonCommand` and `daemonStartTimeoutMs` from a netconf. Ends the process with CNI error 7 where one of them is wrong. */
struct on_demand on_demand_read(struct bytes netconf);

/* Connects to the daemon. Where nobody listens, the program is started, by exactly one of all calls that come at once, and its
 * socket is waited for. Returns the descriptor, or -1 with the problem, or with errno (EINTR: a signal asked us to end). */
int on_demand_open(const struct on_demand *on_demand, const char *socket_path, const struct signals *signals,
                   struct on_demand_problem *problem);

/* Is there a program that could be started? Nothing is started for it. False with the problem where there is not. */
bool on_demand_can_start(const struct on_demand *on_demand, struct on_demand_problem *problem);

#endif
