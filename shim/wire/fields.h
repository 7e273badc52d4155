/* Reads the keys of a MessagePack map and checks their types. */
#pragma once

#include "wire/msgpack.h"

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
