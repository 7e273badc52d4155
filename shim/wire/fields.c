/* Reads the keys of a MessagePack map and checks their types. */
#include "wire/fields.h"

static const char *kind_name(enum msgpack_kind kind) {
  switch (kind) {
    case MSGPACK_UNSIGNED:
      return "an unsigned integer";
    case MSGPACK_TEXT:
      return "a string without zero bytes";
    case MSGPACK_BINARY:
      return "binary";
    case MSGPACK_ARRAY:
      return "an array";
    case MSGPACK_MAP:
      return "a map";
    case MSGPACK_BOOLEAN:
      return "a boolean";
    case MSGPACK_NIL:
    case MSGPACK_OTHER:
      break;
  }
  return "of another type";
}

static bool has_kind(struct msgpack_value value, enum msgpack_kind kind) {
  return kind == MSGPACK_TEXT ? msgpack_is_text(value) : value.kind == kind;
}

bool fields_read(struct msgpack_value body, struct field *fields, size_t count, struct buffer *problem) {
  if (body.kind != MSGPACK_MAP) {
    buffer_say(problem, "the body is not a map");
    return false;
  }
  struct bytes rest = body.content;
  struct msgpack_value key, value;
  while (rest.length > 0 && msgpack_take(&rest, &key) && msgpack_take(&rest, &value)) {
    if (key.kind != MSGPACK_TEXT) {
      buffer_say(problem, "a key is not a string");
      return false;
    }
    for (size_t i = 0; i < count; i++) {
      if (!bytes_equal_text(key.content, fields[i].name)) continue;
      if (fields[i].optional && value.kind == MSGPACK_NIL) {
        fields[i].present = false;
      } else if (has_kind(value, fields[i].kind)) {
        fields[i].present = true;
        fields[i].value = value;
      } else {
        buffer_say(problem, "`", fields[i].name, "` is not ", kind_name(fields[i].kind));
        return false;
      }
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (fields[i].present || fields[i].optional) continue;
    buffer_say(problem, "`", fields[i].name, "` is missing");
    return false;
  }
  return true;
}
