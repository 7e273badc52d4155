/* The keys of a MessagePack map: found, and checked to have their types. */
#ifndef MULTUS_FIELDS_H
#define MULTUS_FIELDS_H

#include "msgpack.h"

/* A key of a map, and where its value goes. */
struct field {
  const char *name;
  /* A text must have no zero byte. */
  enum msgpack_kind kind;
  bool optional;
  bool present;
  struct msgpack_value value;
};

/* Fills `fields` from a map; the values point into it. Unknown keys are skipped, of equal ones the last counts; an optional one may also be nil.
 * False where the map has not what it must have: `problem` says what. */
bool fields_read(struct msgpack_value map, struct field *fields, size_t count, struct buffer *problem);

#endif
