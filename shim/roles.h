/* The roles of the binary, of which main() chooses one. */
#pragma once

#include "program.h"

/* One call of the plugin by a runtime: reads the call from the environment and stdin, asks the daemon, answers on stdout, and returns the exit code. */
int call_run(void);

/* `multus agent`: carries out orders from an inherited socket until it ends. Reads the arguments after `multus agent`, and returns the exit code. */
int agent_run(const struct program *program, int count, char **arguments);

/* `multus probe`: asks the daemon, for the kubelet's exec probe, whether it is live or ready. It runs every few seconds, so it must be cheap. Reads the
 * arguments after `multus probe`, prints one line for the kubelet's event, and returns the exit code: 0 is yes, 1 is no or no answer. */
int probe_run(const struct program *program, int count, char **arguments);

/* Is `program` (argv[0], which may be NULL) called passthru? */
bool passthru_is(const char *program);

/* The plugin passthru. ADD prints prevResult unchanged, or an empty result of the configuration's version; CHECK, DEL, GC and STATUS succeed; VERSION answers.
 * Without a command it prints its name and version. It asks no daemon, starts no process and opens no file.
 * `count`: number of `arguments`, without the program's name. Returns the exit code. */
int passthru_run(int count, char **arguments);
