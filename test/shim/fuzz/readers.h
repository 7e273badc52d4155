/* What the shim reads out of a netconf and out of a name in its spool, as one line of text: for tests that compare it with the daemon's reading. */
#ifndef MULTUS_FUZZ_READERS_H
#define MULTUS_FUZZ_READERS_H

#include "buffer.h"

/* Appends a JSON object: the text of each key that the shim looks for, or null; daemonCommand as array, daemonStartTimeoutMs as number, or false where they
 * are refused. */
void netconf_describe(struct bytes document, struct buffer *line);

/* Appends `record TIME TRIES CONTAINER`, `aside`, `foreign` or `passed over`. */
void spool_name_describe(struct bytes name, struct buffer *line);

#endif
