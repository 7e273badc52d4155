/* One call of the plugin by a runtime: asks the daemon, and answers the runtime. */
#pragma once

/* Reads the call from the environment and stdin, answers it on stdout, and returns the exit code. */
int call_run(void);
