/* The part of MessagePack that the wire uses: unsigned integers, booleans, text, bytes, arrays and maps; the rest can be skipped. */
#include "wire/msgpack.h"

#include <string.h>

/* Takes a big-endian integer of `width` bytes off the front. */
static bool take_integer(struct bytes *input, size_t width, uint64_t *number) {
  struct bytes digits;
  if (!bytes_take(input, width, &digits)) return false;
  for (*number = 0; digits.length > 0; bytes_skip(&digits, 1)) *number = *number << 8 | digits.data[0];
  return true;
}

enum { HEAD_NEVER_USED = 0xc1, HEAD_INT_8 = 0xd0, HEAD_INT_64 = 0xd3 };

/* The bytes that follow the heads from 0xc0 to 0xdf: a number of `width` bytes, and content, whose length is that number (if there is one) and `more`. */
static const struct {
  enum msgpack_kind kind;
  uint8_t width;
  bool has_content;
  uint8_t more;
} forms[0x20] = {
    {MSGPACK_NIL, 0, false, 0},      {MSGPACK_NIL, 0, false, 0},      {MSGPACK_BOOLEAN, 0, false, 0},  {MSGPACK_BOOLEAN, 0, false, 0},
    {MSGPACK_BINARY, 1, true, 0},    {MSGPACK_BINARY, 2, true, 0},    {MSGPACK_BINARY, 4, true, 0},    {MSGPACK_OTHER, 1, true, 1},
    {MSGPACK_OTHER, 2, true, 1},     {MSGPACK_OTHER, 4, true, 1},     {MSGPACK_OTHER, 0, true, 4},     {MSGPACK_OTHER, 0, true, 8},
    {MSGPACK_UNSIGNED, 1, false, 0}, {MSGPACK_UNSIGNED, 2, false, 0}, {MSGPACK_UNSIGNED, 4, false, 0}, {MSGPACK_UNSIGNED, 8, false, 0},
    {MSGPACK_UNSIGNED, 1, false, 0}, {MSGPACK_UNSIGNED, 2, false, 0}, {MSGPACK_UNSIGNED, 4, false, 0}, {MSGPACK_UNSIGNED, 8, false, 0},
    {MSGPACK_OTHER, 0, true, 2},     {MSGPACK_OTHER, 0, true, 3},     {MSGPACK_OTHER, 0, true, 5},     {MSGPACK_OTHER, 0, true, 9},
    {MSGPACK_OTHER, 0, true, 17},    {MSGPACK_TEXT, 1, true, 0},      {MSGPACK_TEXT, 2, true, 0},      {MSGPACK_TEXT, 4, true, 0},
    {MSGPACK_ARRAY, 2, false, 0},    {MSGPACK_ARRAY, 4, false, 0},    {MSGPACK_MAP, 2, false, 0},      {MSGPACK_MAP, 4, false, 0},
};

/* Takes a whole scalar, or the head of an array or map. */
static bool take_head(struct bytes *input, struct msgpack_value *value) {
  uint64_t head;
  *value = (struct msgpack_value){.kind = MSGPACK_OTHER};
  if (!take_integer(input, 1, &head) || head == HEAD_NEVER_USED) return false;
  if (head >= 0xe0) return true; /* a negative number */
  if (head < 0xc0) {
    value->kind = head < 0x80 ? MSGPACK_UNSIGNED : head < 0x90 ? MSGPACK_MAP : head < 0xa0 ? MSGPACK_ARRAY : MSGPACK_TEXT;
    value->number = head < 0x80 ? head : head & 0x0f;
    return value->kind != MSGPACK_TEXT || bytes_take(input, head & 0x1f, &value->content);
  }
  size_t form = head - 0xc0, width = forms[form].width;
  value->kind = forms[form].kind;
  if (value->kind == MSGPACK_BOOLEAN) value->number = head & 1;
  if (width > 0 && !take_integer(input, width, &value->number)) return false;
  if (head >= HEAD_INT_8 && head <= HEAD_INT_64 && value->number >> (8 * width - 1) != 0) value->kind = MSGPACK_OTHER;
  return !forms[form].has_content || bytes_take(input, value->number + forms[form].more, &value->content);
}

bool msgpack_take(struct bytes *input, struct msgpack_value *value) {
  struct bytes rest = *input;
  if (!take_head(&rest, value)) return false;
  if (value->kind == MSGPACK_ARRAY || value->kind == MSGPACK_MAP) {
    const uint8_t *start = rest.data;
    uint64_t missing = value->kind == MSGPACK_MAP ? 2 * value->number : value->number;
    while (missing > 0) {
      struct msgpack_value element;
      /* A value is at least one byte, which also keeps `missing` from growing beyond the input. */
      if (missing > rest.length || !take_head(&rest, &element)) return false;
      missing--;
      if (element.kind == MSGPACK_ARRAY) missing += element.number;
      if (element.kind == MSGPACK_MAP) missing += 2 * element.number;
    }
    value->content = (struct bytes){start, (size_t)(rest.data - start)};
  }
  *input = rest;
  return true;
}

bool msgpack_is_text(struct msgpack_value value) {
  return value.kind == MSGPACK_TEXT && (value.content.length == 0 || memchr(value.content.data, 0, value.content.length) == NULL);
}

static const char *const kind_names[] = {
    [MSGPACK_NIL] = "nil",           [MSGPACK_BOOLEAN] = "a boolean", [MSGPACK_UNSIGNED] = "an unsigned integer", [MSGPACK_TEXT] = "a string without zero bytes",
    [MSGPACK_BINARY] = "binary",     [MSGPACK_ARRAY] = "an array",    [MSGPACK_MAP] = "a map",
};

bool fields_read(struct msgpack_value body, struct field *fields, size_t count, struct buffer *problem) {
  if (body.kind != MSGPACK_MAP) return problem_say(problem, "the body is not a map");
  struct msgpack_value key, value;
  while (msgpack_take(&body.content, &key) && msgpack_take(&body.content, &value)) {
    if (key.kind != MSGPACK_TEXT) return problem_say(problem, "a key is not a string");
    for (size_t i = 0; i < count; i++) {
      struct field *field = &fields[i];
      if (!bytes_equal_text(key.content, field->name)) continue;
      field->present = !field->optional || value.kind != MSGPACK_NIL;
      if (field->present && (field->kind == MSGPACK_TEXT ? !msgpack_is_text(value) : value.kind != field->kind)) {
        return problem_say(problem, "`%s` is not %s", field->name, kind_names[field->kind]);
      }
      field->value = value;
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (!fields[i].present && !fields[i].optional) return problem_say(problem, "`%s` is missing", fields[i].name);
    if (!fields[i].present) fields[i].value = (struct msgpack_value){0};
  }
  return true;
}

/* `head`, then the number in `width` bytes, big-endian. */
static void put(struct buffer *out, size_t head, uint64_t number, size_t width) {
  buffer_append_byte(out, (uint8_t)head);
  for (size_t i = width; i > 0; i--) buffer_append_byte(out, (uint8_t)(number >> (8 * (i - 1))));
}

/* The number in as few bytes as it needs: `head` is that of one byte, those of two, four and eight bytes follow it. */
static void put_sized(struct buffer *out, size_t head, uint64_t number) {
  size_t power = number > UINT32_MAX ? 3 : number > UINT16_MAX ? 2 : number > UINT8_MAX ? 1 : 0;
  put(out, head + power, number, (size_t)1 << power);
}

void msgpack_put_unsigned(struct buffer *out, uint64_t number) {
  if (number <= 0x7f) {
    buffer_append_byte(out, (uint8_t)number);
  } else {
    put_sized(out, 0xcc, number);
  }
}

void msgpack_put_boolean(struct buffer *out, bool value) { buffer_append_byte(out, value ? 0xc3 : 0xc2); }

void msgpack_put_text(struct buffer *out, const char *text) {
  size_t length = strlen(text);
  if (length <= 0x1f) {
    buffer_append_byte(out, (uint8_t)(0xa0 | length));
  } else {
    put_sized(out, 0xd9, length);
  }
  buffer_append(out, text, length);
}

void msgpack_put_binary(struct buffer *out, struct bytes bytes) {
  put_sized(out, 0xc4, bytes.length);
  buffer_append_bytes(out, bytes);
}

void msgpack_put_array(struct buffer *out, uint32_t count) {
  if (count <= 0x0f) {
    buffer_append_byte(out, (uint8_t)(0x90 | count));
  } else {
    put(out, 0xdd, count, 4);
  }
}

/* The wire has no map of more than 15 pairs. */
void msgpack_put_map(struct buffer *out, uint32_t count) { buffer_append_byte(out, (uint8_t)(0x80 | count)); }

void msgpack_put_pair(struct buffer *out, const char *key, const char *text) {
  msgpack_put_text(out, key);
  msgpack_put_text(out, text);
}

void msgpack_put_number(struct buffer *out, const char *key, uint64_t number) {
  msgpack_put_text(out, key);
  msgpack_put_unsigned(out, number);
}
