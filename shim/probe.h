/* `multus probe`: asks the daemon, for the kubelet's exec probe, whether it is live or ready. It runs every few seconds, so it must be cheap. */
#pragma once

#include "program.h"

/* Reads the arguments after `multus probe`, asks the daemon, prints one line for the kubelet's event, and returns the exit code: 0 is yes, 1 is no or no
 * answer. */
int probe_run(const struct program *program, int count, char **arguments);
