/* Handling of a DEL that no daemon has answered, or that fails again and again (docs/wire.md, "DELs while no daemon is there"). */
#pragma once

#include "wire/request.h"

/* The netconf's `delOnDaemonDown`. */
enum del_on_daemon_down { DEL_SPOOLED, DEL_FAILS, DEL_IGNORED };

struct spool_settings {
  enum del_on_daemon_down del_on_daemon_down;
  /* The netconf's `cniDir`; freed by its owner. */
  char *cni_dir;
};

/* Does the request succeed without a daemon? */
bool spool_stands_for(const struct spool_settings *settings, const struct request *request);

/* Deals with a DEL that spool_stands_for() and no daemon has answered; `problem` says why none has. Says on stderr what it has done, and gives
 * the exit code. Where the DEL cannot be recorded, prints CNI error 11. */
int spool_stand_in(const struct spool_settings *settings, const struct request *request, const char *problem);

/* Records a DEL that has failed (the daemon's `delOnFailure`): the runtime may not ask again. Says on stderr what it has done. False: it is not recorded. */
bool spool_take_failed(const struct spool_settings *settings, const struct request *request);
