/* Frames of docs/wire.md: a length, then the array [type, id, body]. */
#include "wire/frame.h"

static enum frame_status broken(const char **problem, const char *why) {
  *problem = why;
  return FRAME_BROKEN;
}

enum frame_status frame_read(struct bytes stream, struct frame *frame, size_t *size, const char **problem) {
  *size = FRAME_HEADER_BYTES;
  if (stream.length < FRAME_HEADER_BYTES) return FRAME_INCOMPLETE;
  size_t length = (size_t)stream.data[0] << 24 | (size_t)stream.data[1] << 16 | (size_t)stream.data[2] << 8 | stream.data[3];
  if (length > FRAME_MAX_BYTES) return broken(problem, "a frame longer than 16 MiB");
  *size = FRAME_HEADER_BYTES + length;
  if (stream.length < *size) return FRAME_INCOMPLETE;

  struct bytes payload = {stream.data + FRAME_HEADER_BYTES, length};
  struct msgpack_value array, type, id;
  if (!msgpack_take(&payload, &array) || payload.length > 0) return broken(problem, "a frame that is not one MessagePack value");
  if (array.kind != MSGPACK_ARRAY || array.number != 3 || !msgpack_take(&array.content, &type) || !msgpack_take(&array.content, &id) ||
      !msgpack_take(&array.content, &frame->body)) {
    return broken(problem, "a frame that is not an array [type, id, body]");
  }
  if (type.kind != MSGPACK_UNSIGNED || id.kind != MSGPACK_UNSIGNED || id.number > UINT32_MAX) {
    return broken(problem, "a frame whose type or id is not an unsigned integer");
  }
  frame->type = type.number;
  frame->id = (uint32_t)id.number;
  return FRAME_COMPLETE;
}

size_t frame_begin(struct buffer *out, enum frame_type type, uint32_t id, uint32_t pairs) {
  size_t begin = out->length;
  static const uint8_t length_to_come[FRAME_HEADER_BYTES];
  buffer_append(out, length_to_come, sizeof length_to_come);
  msgpack_put_array(out, 3);
  msgpack_put_unsigned(out, type);
  msgpack_put_unsigned(out, id);
  msgpack_put_map(out, pairs);
  return begin;
}

void frame_end(struct buffer *out, size_t begin) {
  size_t length = out->length - begin - FRAME_HEADER_BYTES;
  for (size_t i = 0; i < FRAME_HEADER_BYTES; i++) out->data[begin + i] = (uint8_t)(length >> (8 * (FRAME_HEADER_BYTES - 1 - i)));
}
