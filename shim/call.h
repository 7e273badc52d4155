/* One call of the plugin by a runtime: the daemon is asked, and the runtime answered. */
#ifndef MULTUS_CALL_H
#define MULTUS_CALL_H

/* Takes the call from the environment and stdin, answers it on stdout, and gives the exit code. */
int call_run(void);

#endif
