/* Recording a DEL so that it outlives us and a power cut (docs/wire.md, "DELs while no daemon is there"). */
#pragma once

#include "wire/request.h"

/* Records a DEL below `cni_dir`; once this returns true, it is on the disk. One that a record covers already is not recorded again.
 * `tries`: how often it was tried and failed; one that was waits before it is tried again.
 * False: nothing half written is left of it, and `problem` says why it cannot be recorded. */
bool spool_write(const char *cni_dir, const struct request *request, unsigned tries, struct buffer *problem);
