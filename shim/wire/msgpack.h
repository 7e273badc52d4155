/* The part of MessagePack that the wire uses: unsigned integers, booleans, text, bytes, arrays and maps; the rest can be skipped. */
#pragma once

#include "base/buffer.h"

enum msgpack_kind {
  MSGPACK_NIL,
  MSGPACK_BOOLEAN,
  MSGPACK_UNSIGNED,
  MSGPACK_TEXT,
  MSGPACK_BINARY,
  MSGPACK_ARRAY,
  MSGPACK_MAP,
  /* Negative integers, floats and extension types, which the wire does not use. */
  MSGPACK_OTHER,
};

/* One value as it stands in the input. */
struct msgpack_value {
  enum msgpack_kind kind;
  /* MSGPACK_UNSIGNED: the number; MSGPACK_BOOLEAN: 0 or 1; MSGPACK_ARRAY: elements; MSGPACK_MAP: pairs. */
  uint64_t number;
  /* MSGPACK_TEXT and MSGPACK_BINARY: the content. MSGPACK_ARRAY and MSGPACK_MAP: the elements, one after the other. */
  struct bytes content;
};

/* Takes the value at the front off `input`, without recursion, so that nesting costs no stack.
 * False at the end of the input, and if the bytes are not one whole value; `input` is unchanged then. */
bool msgpack_take(struct bytes *input, struct msgpack_value *value);

/* A text that may become a C string: it has no zero byte. */
bool msgpack_is_text(struct msgpack_value value);

/* A key of a map, and its value. */
struct field {
  const char *name;
  /* A text must have no zero byte. */
  enum msgpack_kind kind;
  bool optional;
  bool present;
  struct msgpack_value value;
};

/* Fills `fields` from a map; the values point into it. Skips unknown keys; of equal keys the last one counts; an optional one may also be nil.
 * False, with `problem`: a required key is missing, or a value has the wrong type. */
bool fields_read(struct msgpack_value map, struct field *fields, size_t count, struct buffer *problem);

void msgpack_put_unsigned(struct buffer *out, uint64_t number);
void msgpack_put_boolean(struct buffer *out, bool value);
void msgpack_put_text(struct buffer *out, const char *text);
void msgpack_put_binary(struct buffer *out, struct bytes bytes);
/* Only the heads: so many elements or pairs follow. */
void msgpack_put_array(struct buffer *out, uint32_t count);
void msgpack_put_map(struct buffer *out, uint32_t count);
/* A key, and its value. */
void msgpack_put_pair(struct buffer *out, const char *key, const char *text);
void msgpack_put_number(struct buffer *out, const char *key, uint64_t number);
