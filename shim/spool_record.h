/* A recorded DEL as bytes (docs/wire.md, "DELs while no daemon is there"). No file is touched here. */
#ifndef MULTUS_SPOOL_RECORD_H
#define MULTUS_SPOOL_RECORD_H

#include "netns_identity.h"
#include "request.h"

enum {
  SPOOL_RECORD_HEADER_BYTES = 16,
  SPOOL_RECORD_MAX_BYTES = SPOOL_RECORD_HEADER_BYTES + 8 * 1024 * 1024,
};

/* CRC-32 of IEEE 802.3, as zlib's. */
uint32_t spool_checksum(struct bytes bytes);

struct spool_record {
  struct request request;
  struct netns_identity netns;
};

/* Appends the file's content. */
void spool_record_encode(const struct spool_record *record, struct buffer *out);

/* Reads a file's content; freed with spool_record_free(). False: it is no record of a DEL that this version knows; `problem` says why. */
bool spool_record_decode(struct bytes content, struct spool_record *record, struct buffer *problem);

void spool_record_free(struct spool_record *record);

/* The pod's namespace in the first bytes of a file's content, of which nothing else is checked. False: it is not among them. */
bool spool_record_find_namespace(struct bytes head, struct bytes *namespace);

/* Would a replay of `recorded` do all that `request` asks for? Its network namespace may be gone by now, which is said with an empty path. */
bool spool_record_covers(const struct spool_record *recorded, const struct request *request);

/* Does the one do exactly what the other does, its network namespace included? */
bool spool_record_equals(const struct spool_record *recorded, const struct request *request);

#endif
