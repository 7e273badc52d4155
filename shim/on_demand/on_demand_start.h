/* Starts a program that outlives the shim, and that inherits nothing of the runtime's. */
#pragma once

#include <sys/types.h>

/* Starts arguments[0] in its own session and process group. Its stdin is empty, stdout and stderr are `output`, no other descriptor is
 * open, signals have their defaults, the directory is / and the umask 022. It gets PATH, HOME, LANG, TZ and MULTUS_* of the shim's
 * environment, and settings for its C library's allocator. It is the shim's child, so that its end can be waited for, and outlives it.
 * Returns its process id, or -1 with errno if it could not be started. */
pid_t on_demand_start(char *const *arguments, int output);
