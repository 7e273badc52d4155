/* `multus probe`: asks the daemon, for the kubelet's exec probe, whether it is live or ready. It runs every few seconds, so it must be cheap. */
#pragma once

#include <stdint.h>

/* One probe of the kubelet. */
struct probe {
  /* "live", "ready" or "startup". */
  const char *question;
  const char *socket_directory;
  /* Time limit for the answer, in seconds. */
  uint32_t timeout_seconds;
};

/* Reads the arguments after `multus probe`. Returns NULL, or what is wrong with them. */
const char *probe_read_options(int count, char **values, struct probe *probe);

/* Asks the daemon, prints one line for the kubelet's event, and returns the exit code: 0 is yes, 1 is no or no answer. */
int probe_run(const struct probe *probe, const char *socket_path);
