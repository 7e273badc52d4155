/* Starting one process the cheap way: the child borrows our memory until it runs the plugin. */
#ifndef MULTUS_SPAWN_H
#define MULTUS_SPAWN_H

#include <signal.h>
#include <sys/types.h>

struct spawn {
  const char *file;
  char *const *environment;
  /* stdin, stdout and stderr of the child; all above 2. */
  int descriptors[3];
  const sigset_t *signal_mask;
};

/* Starts `file` in a process group of its own that the kernel kills when we die.
 * Returns its process id, or -1 with errno set where it could not be started. */
pid_t spawn_process(const struct spawn *spawn);

#endif
