/* A recorded DEL as bytes (docs/wire.md, "DELs while no daemon is there"). No file is touched here. */
#pragma once

#include "net/netns_identity.h"
#include "wire/request.h"

enum {
  SPOOL_RECORD_HEADER_BYTES = 16,
  SPOOL_RECORD_MAX_BYTES = SPOOL_RECORD_HEADER_BYTES + 8 * 1024 * 1024,
};

struct spool_record {
  struct request request;
  struct netns_identity netns;
};

/* Appends the file's content. */
void spool_record_encode(const struct spool_record *record, struct buffer *out);

/* Is a file's content a record of a DEL that does all that `request` asks for? The request's network namespace may be gone by now, which is said with an empty
 * path. What is no record that this version knows covers nothing. */
bool spool_record_covers(struct bytes content, const struct request *request);
