/* The loop that carries out the daemon's orders. */
#pragma once

#include "exec/permissions.h"
#include "wire/connection.h"

enum serve_end {
  /* The daemon has answered: exit code and stdout. */
  SERVE_REPLIED,
  /* The connection closed, or failed, before that. */
  SERVE_DAEMON_GONE,
  /* It has left its input unread for `unread_patience`, and no delegate ran. */
  SERVE_DAEMON_HANGS,
  /* The daemon has violated the protocol; `problem` says how. */
  SERVE_BROKEN,
  /* SIGTERM, SIGINT or SIGHUP. The plugins had time to end, unless a second signal came. */
  SERVE_SIGNALLED,
};

/* Freed with serve_result_free(). */
struct serve_result {
  enum serve_end end;
  /* An order was carried out, or refused. */
  bool has_begun;
  /* SERVE_REPLIED: the answer; its `output` is below. `retry` only where nothing has begun, `record` only of a failure. */
  struct order_reply reply;
  struct buffer output;
  struct buffer problem;
};

/* Sends the queued frames, then carries out orders until one of the ends above. No delegate runs afterwards.
 * Gives up on a daemon that leaves its input unread for `unread_patience` microseconds; 0 waits without a limit. */
struct serve_result serve(struct connection *connection, const struct permissions *permissions, const struct signals *signals,
                          int64_t unread_patience);

void serve_result_free(struct serve_result *result);
