/* Receives signals through a descriptor, so that one poll() covers them. */
#pragma once

#include <signal.h>
#include <stdbool.h>

struct signals {
  /* Readable when a signal has come. */
  int fd;
  /* The signal mask that this process was started with, which its children get. */
  sigset_t original_mask;
};

/* Routes SIGCHLD, SIGTERM, SIGINT and SIGHUP to `fd`, and ignores SIGPIPE, so that writing to a closed pipe is only an error.
 * Ends the process with a CNI error if the kernel refuses. */
void signals_take(struct signals *signals);

enum wait {
  /* The time is over, or a child has changed state. */
  WAIT_OVER,
  WAIT_READABLE,
  /* A signal asked the process to end, or waiting is impossible; errno is EINTR, or says why. */
  WAIT_SIGNALLED,
};

/* Waits until `fd` (-1: none) can be read, a signal comes, or `timeout` milliseconds (-1: no limit) are over. Reads the signals. */
enum wait signals_wait(const struct signals *signals, int fd, int timeout);

/* Reads all pending signals. Returns the one that asks the process to end, or 0. Sets `*child` if a child has changed state. */
int signals_read(const struct signals *signals, bool *child);
