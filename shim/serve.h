/* The loop that carries out what the daemon orders. */
#ifndef MULTUS_SERVE_H
#define MULTUS_SERVE_H

#include "connection.h"
#include "permissions.h"

enum serve_end {
  /* The daemon has answered: exit code and stdout. */
  SERVE_REPLIED,
  /* The stream ended, or broke, before that. */
  SERVE_DAEMON_GONE,
  /* It has not read what it was sent, for as long as it was given, and nothing else was going on. */
  SERVE_DAEMON_HANGS,
  /* What came is not the protocol; `problem` says what. */
  SERVE_BROKEN,
  /* SIGTERM, SIGINT or SIGHUP. Its plugins had time to end, unless it came twice. */
  SERVE_SIGNALLED,
};

struct serve_result {
  enum serve_end end;
  int exit_code;
  /* Orders were carried out, or refused. */
  bool has_begun;
  /* The daemon has replied that another one should be asked, and nothing was begun. */
  bool retry;
  /* The daemon has replied that this DEL, which has failed, is to be recorded and done in the background. */
  bool record;
  /* The runtime is to be told of the failure all the same. */
  bool tell;
  /* The daemon has replied that the replay is to be asked for again, so many milliseconds later. */
  bool has_again;
  uint32_t again_ms;
  struct buffer output;
  struct buffer problem;
};

/* Sends what is queued, then carries out orders until there is an end. Nothing that it started runs afterwards.
 * A daemon that leaves unread what it was sent, for `unread_patience` microseconds, is waited for no longer; 0: it is, however long that takes. */
struct serve_result serve(struct connection *connection, const struct permissions *permissions, const struct signals *signals,
                          int64_t unread_patience);

#endif
