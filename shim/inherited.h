/* What the runtime has left open: nothing that outlives the call may keep it. */
#ifndef MULTUS_INHERITED_H
#define MULTUS_INHERITED_H

#include <stdbool.h>

/* Closes all that we were started with but stdin, stdout and stderr: unlike what we open, it would outlive an exec.
 * False, with errno, if /proc does not say what there is. */
bool inherited_close(void);

#endif
