/* Reaches the daemon, and starts one on demand: one call runs `daemonCommand` of the netconf, and every call waits until the daemon serves. */
#pragma once

#include "base/failure.h"
#include "base/signals.h"

/* The netconf's settings. */
struct on_demand {
  /* The program, an absolute path, and its arguments: consecutive zero-terminated texts. */
  struct buffer command;
  /* Number of texts. 0: the daemon is expected to run; no call starts it. */
  size_t count;
  uint32_t start_timeout_ms;
};

/* Connects to the daemon. One that is expected to run is waited for until `until`. Otherwise, if none listens, exactly one of all simultaneous calls starts
 * the program, and all wait for its socket. Returns the descriptor, or -1 with the problem or, where that has no message, with errno (EINTR: a signal asked the process
 * to end). */
int on_demand_open(const struct on_demand *on_demand, const char *socket_path, int64_t until, const struct signals *signals,
                   struct failure *problem);

/* Is there a program that could be started? Starts nothing. False, with the problem, if there is none. */
bool on_demand_can_start(const struct on_demand *on_demand, struct failure *problem);
