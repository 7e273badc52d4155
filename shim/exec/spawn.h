/* Starts one process cheaply: the child shares the shim's memory until it executes the plugin. */
#pragma once

#include <signal.h>
#include <sys/types.h>

struct spawn {
  const char *file;
  char *const *environment;
  /* stdin, stdout and stderr of the child; all above 2. */
  int descriptors[3];
  const sigset_t *signal_mask;
};

/* Starts `file` in its own process group; the kernel kills the process if the shim dies.
 * Returns its process id, or -1 with errno if it could not be started. */
pid_t spawn_process(const struct spawn *spawn);
