/* Frames of docs/wire.md: a length, then the array [type, id, body]. */
#pragma once

#include "wire/msgpack.h"

enum { FRAME_PROTOCOL = 1, FRAME_HEADER_BYTES = 4, FRAME_MAX_BYTES = 16777216 };

enum frame_type {
  FRAME_HELLO = 1,
  FRAME_REQUEST = 2,
  FRAME_DONE = 3,
  FRAME_REPLY = 4,
  /* Types of orders start here. */
  FRAME_FIRST_ORDER = 16,
  FRAME_EXEC = 16,
  FRAME_LINK_EXISTS = 17,
  FRAME_DEFAULT_ROUTE = 18,
  FRAME_LINK_STATES = 19,
  FRAME_ATTACH_LINKS = 20,
  FRAME_DETACH_LINKS = 21,
};

struct frame {
  uint64_t type;
  uint32_t id;
  /* One well-formed value; not yet checked to be a map. */
  struct msgpack_value body;
};

enum frame_status {
  FRAME_COMPLETE,
  /* More bytes are needed. */
  FRAME_INCOMPLETE,
  /* The sender violates the protocol: nothing after it can be trusted. */
  FRAME_BROKEN,
};

/* Reads the frame at the front of a stream.
 * FRAME_COMPLETE: `frame` points into `stream`, and the frame is its first `*size` bytes.
 * FRAME_INCOMPLETE: the frame needs at least `*size` bytes. FRAME_BROKEN: `*problem` says why. */
enum frame_status frame_read(struct bytes stream, struct frame *frame, size_t *size, const char **problem);

/* Starts a frame at the end of `out`, whose body is a map of `pairs`; these are appended next. Returns what frame_end() needs. */
size_t frame_begin(struct buffer *out, enum frame_type type, uint32_t id, uint32_t pairs);
/* Sets the length of the frame. */
void frame_end(struct buffer *out, size_t begin);
