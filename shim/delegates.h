/* The plugins that run at the moment: started, fed, listened to, stopped. */
#ifndef MULTUS_DELEGATES_H
#define MULTUS_DELEGATES_H

#include <poll.h>

#include "connection.h"
#include "permissions.h"

enum {
  /* Delegates at once. Further orders wait in the socket. */
  DELEGATES_MAX = 64,
  /* Descriptors of one delegate that are polled. */
  DELEGATE_DESCRIPTORS = 3,
};

struct delegate;

struct delegates {
  struct connection *connection;
  const struct permissions *permissions;
  sigset_t signal_mask;
  struct delegate *running[DELEGATES_MAX];
  size_t count;
};

/* Carries out an EXEC that is permitted: DONE follows, now or when the plugin has ended. */
void delegates_exec(struct delegates *delegates, uint32_t id, const struct order_exec *order);

/* Adds what has to be polled, at most DELEGATES_MAX * DELEGATE_DESCRIPTORS + 1 entries. Returns their number. */
size_t delegates_poll(struct delegates *delegates, struct pollfd *polls);
/* The moment (clock_micros()) at which something is due, INT64_MAX if nothing is. */
int64_t delegates_next_moment(const struct delegates *delegates);
/* After poll(): moves bytes, looks who has ended (if `child` says that somebody may have), and at the clock. */
void delegates_advance(struct delegates *delegates, const struct pollfd *polls, bool child);

/* Kills all with everything in their process groups, and waits (1 s at most) until they are gone. */
void delegates_kill(struct delegates *delegates);

#endif
