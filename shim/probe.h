/* `multus probe`: asks the daemon for the kubelet whether it lives, or is ready. One short process: an exec probe is one every few seconds. */
#ifndef MULTUS_PROBE_H
#define MULTUS_PROBE_H

#include <stdint.h>

/* A question of the kubelet's. */
struct probe {
  /* "live", "ready" or "startup". */
  const char *question;
  const char *socket_directory;
  /* Until the answer has to be there, in seconds. */
  uint32_t timeout_seconds;
};

/* Reads what stands behind `multus probe`. Returns NULL, or what is wrong with it. */
const char *probe_read_options(int count, char **values, struct probe *probe);

/* Asks, prints one line for the kubelet's event, and gives the exit code: 0 is yes, 1 is no or no answer. */
int probe_run(const struct probe *probe, const char *socket_path);

#endif
