/* Starting a program that stays when we are gone, and that has nothing of what the runtime gave us. */
#ifndef MULTUS_ON_DEMAND_START_H
#define MULTUS_ON_DEMAND_START_H

#include <sys/types.h>

/* Starts arguments[0] in a session and process group of its own: stdin is empty, stdout and stderr are `output`, no other descriptor
 * of ours is open, signals are as new, the directory is / and the umask 022. Of our environment it gets PATH, HOME, LANG, TZ and
 * what begins with MULTUS_, and beside that settings for its C library's allocator. It is our child, so that its end can be waited for,
 * and lives on without us.
 * Returns its process id, or -1 with errno where it could not be started. */
pid_t on_demand_start(char *const *arguments, int output);

#endif
