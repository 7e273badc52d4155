/* The process that stays while recorded DELs wait, and has the daemon replay them (docs/wire.md, "The process that stays"). */
#pragma once

#include "exec/plugin_path.h"
#include "on_demand/on_demand.h"

/* Which daemon it asks, and what it may run: all of the call that starts it, not of those that have recorded. */
struct spool_stay {
  const char *cni_dir;
  const char *socket_path;
  /* CNI_PATH */
  const char *path;
  const struct plugin_directories *directories;
  const struct on_demand *on_demand;
  const struct signals *signals;
};

/* Starts the process, where DELs are recorded below `cni_dir` and wait, and no other process stays for them. Returns at once: nobody has to wait for it. Says on
 * stderr where that cannot be done. */
void spool_stay_start(const struct spool_stay *stay);
