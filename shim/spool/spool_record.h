/* A recorded DEL as bytes (docs/wire.md, "DELs while no daemon is there"). No file is touched here. */
#pragma once

#include "net/netns.h"
#include "wire/request.h"

enum {
  SPOOL_RECORD_HEADER_BYTES = 16,
  SPOOL_RECORD_MAX_BYTES = SPOOL_RECORD_HEADER_BYTES + 8 * 1024 * 1024,
};

/* Appends the file's content: the DEL, and the identity that its network namespace has now. */
void spool_record_encode(const struct request *request, const struct netns_identity *netns, struct buffer *out);

/* Is a file's content a record of a DEL that does all that `request` asks for? The request's network namespace may be gone by now, which is said with an empty
 * path. Content that is no record of a known version covers nothing. */
bool spool_record_covers(struct bytes content, const struct request *request);
