/* The shim's readings as one line of text, for tests that compare it with another reader's. */
#ifndef MULTUS_FUZZ_READERS_H
#define MULTUS_FUZZ_READERS_H

#include "base/buffer.h"

/* Appends a JSON object: the text of each key that the shim looks for, or null; daemonCommand as array, daemonStartTimeoutMs and
 * daemonWaitSeconds as numbers, or false where they are refused. */
void netconf_describe(struct bytes document, struct buffer *line);

/* Appends `record TIME TRIES CONTAINER`, `aside`, `foreign` or `passed over`. */
void spool_name_describe(struct bytes name, struct buffer *line);

/* Of each frame of a stream appends "type id kind" and a tab, then how the stream ends: `end`, `incomplete`, `broken: ` and why. */
void frames_describe(struct bytes stream, struct buffer *line);

/* The same with what the decoder of the order says: `ok`, or what is wrong. */
void orders_describe(struct bytes stream, struct buffer *line);

#endif
