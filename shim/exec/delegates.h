/* Running delegates: starts plugins, passes their stdin, stdout and stderr, and stops them. */
#pragma once

#include <poll.h>

#include "exec/permissions.h"
#include "wire/connection.h"

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
  /* The last orders that have succeeded, by their ids: a ring, `succeeded_count` of all were put into it. */
  uint32_t succeeded[DELEGATES_MAX];
  size_t succeeded_count;
};

/* Carries out a permitted EXEC with the variables that permissions_exec() gives. NULL: DONE is sent now, or when the plugin has ended; otherwise the `error`
 * of a DONE, with the reason in `problem`. */
const char *delegates_exec(struct delegates *delegates, uint32_t id, const struct order_exec *order, const struct variable *variables,
                           struct buffer *problem);

/* Does a plugin of this order run? */
bool delegates_run(const struct delegates *delegates, uint32_t id);
/* Remembers the success of an order that runs no plugin. */
void delegates_remember(struct delegates *delegates, uint32_t id);
/* Is the order one of the last DELEGATES_MAX that have succeeded? */
bool delegates_have_succeeded(const struct delegates *delegates, uint32_t id);

/* Adds the descriptors to poll, at most DELEGATES_MAX * DELEGATE_DESCRIPTORS + 1 entries. Returns their number. */
size_t delegates_poll(struct delegates *delegates, struct pollfd *polls);
/* When the next timeout is due (clock_micros()), INT64_MAX if none is. */
int64_t delegates_next_moment(const struct delegates *delegates);
/* After poll(): moves bytes, reaps ended plugins (if `child` says that there may be some), and applies timeouts. */
void delegates_advance(struct delegates *delegates, const struct pollfd *polls, bool child);

/* Kills all delegates with their process groups, and waits at most 1 s until they are gone. */
void delegates_kill(struct delegates *delegates);
