/* Signals as a descriptor, so that one poll() sees them too. */
#ifndef MULTUS_SIGNALS_H
#define MULTUS_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct signals {
  /* Readable when a signal has come. */
  int fd;
  /* The mask that this process was started with, and that its children get. */
  sigset_t original_mask;
};

/* From here on SIGCHLD, SIGTERM, SIGINT and SIGHUP come through `fd`, and writing to a closed pipe is only an error.
 * Ends the process with a CNI error where the kernel refuses. */
void signals_take(struct signals *signals);

/* Takes all that have come. Returns the one that asks us to end, or 0; `*child` is set if a child has changed. */
int signals_read(const struct signals *signals, bool *child);

#endif
