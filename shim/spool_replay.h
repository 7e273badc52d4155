/* Doing what is recorded, now that a daemon is there (docs/wire.md, "The replay"). */
#ifndef MULTUS_SPOOL_REPLAY_H
#define MULTUS_SPOOL_REPLAY_H

#include "ask.h"
#include "spool_directory.h"

/* With whom a recorded DEL is done, and what it may run: all of the call that is made now, not of the one that recorded it. */
struct spool_peer {
  const char *socket_path;
  const struct plugin_directories *directories;
  const struct signals *signals;
};

/* What was there when the call began. */
struct spool {
  /* -1: there is none. */
  int directory;
  struct spool_list list;
};

/* Looks what is recorded below `cni_dir`; ended with spool_close(). */
void spool_look(const char *cni_dir, struct spool *spool);
void spool_close(struct spool *spool);

/* Has the container any? */
bool spool_has_of(const struct spool *spool, const char *container_id);

enum spool_own {
  /* The container has no records any more. */
  SPOOL_OWN_DONE,
  /* One could not be done, and it and those after it are left. */
  SPOOL_OWN_LEFT,
  /* No daemon: errno says why; EINTR: a signal asked us to end. */
  SPOOL_OWN_UNREACHABLE,
};

/* Does the DELs that are recorded of the request's container, before anything else is done with it. A daemon is waited for until `until` (clock_micros()).
 * A DEL that is recorded itself is not done twice: it has just failed, or no daemon was there for it. */
enum spool_own spool_replay_own(const struct spool *spool, const struct spool_peer *peer, const struct request *request, int64_t until);

/* Removes the records of a DEL that has succeeded. One that another process is just doing is left to it. */
void spool_forget(const struct spool *spool, const struct request *request);

/* Does what is due in a child that nobody has to wait for. Nothing of it where there is nothing to do, or another child is at it. */
void spool_replay_behind(const struct spool *spool, const struct spool_peer *peer);

#endif
