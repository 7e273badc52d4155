/* Frames of docs/wire.md: a length, then the array [type, id, body]. */
#include "wire/frame.h"

enum frame_status frame_read(struct bytes stream, struct frame *frame, size_t *size, const char **problem) {
  if (stream.length < FRAME_HEADER_BYTES) {
    *size = FRAME_HEADER_BYTES;
    return FRAME_INCOMPLETE;
  }
  size_t length = (size_t)stream.data[0] << 24 | (size_t)stream.data[1] << 16 | (size_t)stream.data[2] << 8 | stream.data[3];
  if (length > FRAME_MAX_BYTES) {
    *problem = "a frame longer than 16 MiB";
    return FRAME_BROKEN;
  }
  *size = FRAME_HEADER_BYTES + length;
  if (stream.length < *size) return FRAME_INCOMPLETE;

  struct bytes payload = {stream.data + FRAME_HEADER_BYTES, length};
  struct msgpack_value array, type, id;
  if (!msgpack_take(&payload, &array) || payload.length > 0) {
    *problem = "a frame that is not one MessagePack value";
    return FRAME_BROKEN;
  }
  struct bytes elements = array.content;
  if (array.kind != MSGPACK_ARRAY || array.number != 3 || !msgpack_take(&elements, &type) ||
      !msgpack_take(&elements, &id) || !msgpack_take(&elements, &frame->body)) {
    *problem = "a frame that is not an array [type, id, body]";
    return FRAME_BROKEN;
  }
  if (type.kind != MSGPACK_UNSIGNED || id.kind != MSGPACK_UNSIGNED || id.number > UINT32_MAX) {
    *problem = "a frame whose type or id is not an unsigned integer";
    return FRAME_BROKEN;
  }
  frame->type = type.number;
  frame->id = (uint32_t)id.number;
  return FRAME_COMPLETE;
}

size_t frame_begin(struct buffer *out, enum frame_type type, uint32_t id) {
  size_t begin = out->length;
  static const uint8_t length_to_come[FRAME_HEADER_BYTES];
  buffer_append(out, length_to_come, sizeof length_to_come);
  msgpack_put_array(out, 3);
  msgpack_put_unsigned(out, type);
  msgpack_put_unsigned(out, id);
  return begin;
}

void frame_end(struct buffer *out, size_t begin, size_t following) {
  size_t length = out->length - begin - FRAME_HEADER_BYTES + following;
  for (size_t i = 0; i < FRAME_HEADER_BYTES; i++) {
    out->data[begin + i] = (uint8_t)(length >> (8 * (FRAME_HEADER_BYTES - 1 - i)));
  }
}
