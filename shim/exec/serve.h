/* The loop that carries out the daemon's orders. */
#pragma once

#include "wire/connection.h"
#include "exec/permissions.h"

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

struct serve_result {
  enum serve_end end;
  int exit_code;
  /* An order was carried out, or refused. */
  bool has_begun;
  /* The daemon has replied that the next daemon should be asked; it has done nothing. */
  bool retry;
  /* The daemon has replied that this DEL has failed and is to be recorded and retried in the background. */
  bool record;
  /* The runtime gets the failure nevertheless. */
  bool tell;
  /* The daemon has replied that the replay is to be asked for again, so many milliseconds later. */
  bool has_again;
  uint32_t again_ms;
  struct buffer output;
  struct buffer problem;
};

/* Sends the queued frames, then carries out orders until one of the ends above. No delegate runs afterwards.
 * Gives up on a daemon that leaves its input unread for `unread_patience` microseconds; 0 waits without a limit. */
struct serve_result serve(struct connection *connection, const struct permissions *permissions, const struct signals *signals,
                          int64_t unread_patience);
