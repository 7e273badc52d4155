/* Inherited descriptors: no process that outlives the call may keep one open. */
#pragma once

#include <stdbool.h>

/* Closes all inherited descriptors but stdin, stdout and stderr: unlike the shim's own, they would stay open after an exec.
 * False, with errno, if /proc does not list them. */
bool inherited_close(void);
