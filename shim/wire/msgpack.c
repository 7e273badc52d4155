/* The part of MessagePack that the wire uses: unsigned integers, booleans, text, bytes, arrays and maps; the rest can be skipped. */
#include "wire/msgpack.h"

#include <string.h>

/* Takes a big-endian integer of `width` bytes off the front. */
static bool take_integer(struct bytes *input, size_t width, uint64_t *number) {
  if (input->length < width) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < width; i++) value = value << 8 | input->data[i];
  input->data += width;
  input->length -= width;
  *number = value;
  return true;
}

static bool take_content(struct bytes *input, uint64_t length, struct bytes *content) {
  if (length > input->length) return false;
  *content = (struct bytes){input->data, (size_t)length};
  input->data += length;
  input->length -= (size_t)length;
  return true;
}

/* A head followed by its length or value in `width` bytes, then by `extra` more bytes (the type of an extension). */
static bool take_sized(struct bytes *input, size_t width, uint64_t extra, struct bytes *content) {
  uint64_t length;
  return take_integer(input, width, &length) && take_content(input, length + extra, content);
}

/* Takes a whole scalar, or the head of an array or map. */
static bool take_head(struct bytes *input, struct msgpack_value *value) {
  uint64_t head;
  if (!take_integer(input, 1, &head)) return false;
  *value = (struct msgpack_value){.kind = MSGPACK_OTHER};
  struct bytes ignored;
  if (head <= 0x7f) {
    value->kind = MSGPACK_UNSIGNED;
    value->number = head;
    return true;
  }
  if (head <= 0x8f) {
    value->kind = MSGPACK_MAP;
    value->number = head & 0x0f;
    return true;
  }
  if (head <= 0x9f) {
    value->kind = MSGPACK_ARRAY;
    value->number = head & 0x0f;
    return true;
  }
  if (head <= 0xbf) {
    value->kind = MSGPACK_TEXT;
    return take_content(input, head & 0x1f, &value->content);
  }
  if (head >= 0xe0) return true; /* negative fixint */
  switch (head) {
    case 0xc0:
      value->kind = MSGPACK_NIL;
      return true;
    case 0xc1: /* never used by the format */
      return false;
    case 0xc2:
    case 0xc3:
      value->kind = MSGPACK_BOOLEAN;
      value->number = head & 1;
      return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
      value->kind = MSGPACK_BINARY;
      return take_sized(input, (size_t)1 << (head - 0xc4), 0, &value->content);
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return take_sized(input, (size_t)1 << (head - 0xc7), 1, &ignored);
    case 0xca:
      return take_content(input, 4, &ignored);
    case 0xcb:
      return take_content(input, 8, &ignored);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
      value->kind = MSGPACK_UNSIGNED;
      return take_integer(input, (size_t)1 << (head - 0xcc), &value->number);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: {
      size_t width = (size_t)1 << (head - 0xd0);
      if (!take_integer(input, width, &value->number)) return false;
      if (value->number >> (8 * width - 1) == 0) value->kind = MSGPACK_UNSIGNED;
      return true;
    }
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return take_content(input, ((uint64_t)1 << (head - 0xd4)) + 1, &ignored);
    case 0xd9:
    case 0xda:
    case 0xdb:
      value->kind = MSGPACK_TEXT;
      return take_sized(input, (size_t)1 << (head - 0xd9), 0, &value->content);
    case 0xdc:
    case 0xdd:
      value->kind = MSGPACK_ARRAY;
      return take_integer(input, (size_t)2 << (head - 0xdc), &value->number);
    default: /* 0xde, 0xdf */
      value->kind = MSGPACK_MAP;
      return take_integer(input, (size_t)2 << (head - 0xde), &value->number);
  }
}

bool msgpack_take(struct bytes *input, struct msgpack_value *value) {
  struct bytes rest = *input;
  if (!take_head(&rest, value)) return false;
  if (value->kind == MSGPACK_ARRAY || value->kind == MSGPACK_MAP) {
    const uint8_t *start = rest.data;
    uint64_t missing = value->kind == MSGPACK_MAP ? 2 * value->number : value->number;
    while (missing > 0) {
      /* A value is at least one byte, which also keeps `missing` from growing beyond the input. */
      if (missing > rest.length) return false;
      struct msgpack_value element;
      if (!take_head(&rest, &element)) return false;
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

/* `head`, then the number in `width` bytes, big-endian. */
static void put(struct buffer *out, uint8_t head, uint64_t number, size_t width) {
  buffer_append_byte(out, head);
  for (size_t i = width; i > 0; i--) buffer_append_byte(out, (uint8_t)(number >> (8 * (i - 1))));
}

void msgpack_put_unsigned(struct buffer *out, uint64_t number) {
  if (number <= 0x7f) {
    buffer_append_byte(out, (uint8_t)number);
  } else if (number <= UINT8_MAX) {
    put(out, 0xcc, number, 1);
  } else if (number <= UINT16_MAX) {
    put(out, 0xcd, number, 2);
  } else if (number <= UINT32_MAX) {
    put(out, 0xce, number, 4);
  } else {
    put(out, 0xcf, number, 8);
  }
}

void msgpack_put_boolean(struct buffer *out, bool value) { buffer_append_byte(out, value ? 0xc3 : 0xc2); }

void msgpack_put_text(struct buffer *out, const char *text) {
  size_t length = strlen(text);
  if (length <= 31) {
    buffer_append_byte(out, (uint8_t)(0xa0 | length));
  } else if (length <= UINT8_MAX) {
    put(out, 0xd9, length, 1);
  } else if (length <= UINT16_MAX) {
    put(out, 0xda, length, 2);
  } else {
    put(out, 0xdb, length, 4);
  }
  buffer_append(out, text, length);
}

void msgpack_put_array(struct buffer *out, uint32_t count) {
  if (count <= 15) {
    buffer_append_byte(out, (uint8_t)(0x90 | count));
  } else {
    put(out, 0xdd, count, 4);
  }
}

void msgpack_put_map(struct buffer *out, uint32_t count) {
  if (count <= 15) {
    buffer_append_byte(out, (uint8_t)(0x80 | count));
  } else {
    put(out, 0xdf, count, 4);
  }
}

void msgpack_put_binary_head(struct buffer *out, size_t length) {
  if (length <= UINT8_MAX) {
    put(out, 0xc4, length, 1);
  } else if (length <= UINT16_MAX) {
    put(out, 0xc5, length, 2);
  } else {
    put(out, 0xc6, length, 4);
  }
}
