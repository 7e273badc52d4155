/* A recorded DEL as bytes (docs/wire.md, "DELs while no daemon is there"). No file is touched here. */
#include "spool/spool_record.h"

#include <stdlib.h>
#include <string.h>

#include "wire/msgpack.h"

enum { MAGIC_BYTES = 8, LENGTH_AT = 8, CHECKSUM_AT = 12 };

static const char magic[] = "MWSPOOL1";

/* CRC-32 of IEEE 802.3, as zlib's. */
static uint32_t checksum(struct bytes bytes) {
  /* Bit by bit: there are few records, and they are small. */
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < bytes.length; i++) {
    crc ^= bytes.data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
  }
  return ~crc;
}

static void put_word(uint8_t *at, uint32_t word) {
  for (size_t i = 0; i < 4; i++) at[i] = (uint8_t)(word >> (8 * (3 - i)));
}

static uint32_t get_word(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void spool_record_encode(const struct request *request, const struct netns_identity *netns, struct buffer *out) {
  static const uint8_t length_and_checksum[SPOOL_RECORD_HEADER_BYTES - MAGIC_BYTES];
  size_t begin = out->length;
  buffer_append(out, magic, MAGIC_BYTES);
  buffer_append(out, length_and_checksum, sizeof length_and_checksum);
  msgpack_put_map(out, REQUEST_VARIABLES + 6);
  request_put_variables(request, out);
  msgpack_put_pair(out, "traceparent", request->traceparent);
  msgpack_put_pair(out, "bootId", netns->boot_id);
  msgpack_put_number(out, "netnsDevice", netns->device);
  msgpack_put_number(out, "netnsInode", netns->inode);
  msgpack_put_number(out, "netnsCookie", netns->cookie);
  msgpack_put_text(out, "config");
  msgpack_put_binary(out, buffer_bytes(&request->config));
  struct bytes body = {out->data + begin + SPOOL_RECORD_HEADER_BYTES, out->length - begin - SPOOL_RECORD_HEADER_BYTES};
  put_word(out->data + begin + LENGTH_AT, (uint32_t)body.length);
  put_word(out->data + begin + CHECKSUM_AT, checksum(body));
}

/* The body, if header, length and checksum fit it. */
static bool take_body(struct bytes content, struct bytes *body) {
  if (content.length < SPOOL_RECORD_HEADER_BYTES || memcmp(content.data, magic, MAGIC_BYTES) != 0) return false;
  *body = (struct bytes){content.data + SPOOL_RECORD_HEADER_BYTES, content.length - SPOOL_RECORD_HEADER_BYTES};
  return get_word(content.data + LENGTH_AT) == body->length && get_word(content.data + CHECKSUM_AT) == checksum(*body);
}

static int compare_pairs(const void *a, const void *b) {
  const struct bytes *left = a, *right = b;
  size_t length = left->length < right->length ? left->length : right->length;
  int order = length == 0 ? 0 : memcmp(left->data, right->data, length);
  return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

/* The pairs of CNI_ARGS, sorted; freed by the caller. */
static struct bytes *sorted_pairs(struct bytes args, size_t *count) {
  *count = 1;
  for (size_t i = 0; i < args.length; i++) *count += args.data[i] == ';';
  struct bytes *pairs = memory_take(*count * sizeof *pairs);
  size_t start = 0, pair = 0;
  for (size_t i = 0; i <= args.length; i++) {
    if (i < args.length && args.data[i] != ';') continue;
    pairs[pair++] = (struct bytes){args.data + start, i - start};
    start = i + 1;
  }
  qsort(pairs, *count, sizeof *pairs, compare_pairs);
  return pairs;
}

/* Are both the same CNI_ARGS? containerd writes them in an order that changes from call to call. */
static bool are_same_args(struct bytes a, struct bytes b) {
  if (a.length != b.length) return false;
  if (bytes_equal(a, b)) return true;
  size_t count, other_count;
  struct bytes *pairs = sorted_pairs(a, &count), *others = sorted_pairs(b, &other_count);
  bool are_same = count == other_count;
  for (size_t i = 0; are_same && i < count; i++) are_same = bytes_equal(pairs[i], others[i]);
  free(pairs);
  free(others);
  return are_same;
}

bool spool_record_covers(struct bytes content, const struct request *request) {
  struct field fields[] = {
      {.name = "command", .kind = MSGPACK_TEXT},
      {.name = "containerId", .kind = MSGPACK_TEXT},
      {.name = "netns", .kind = MSGPACK_TEXT},
      {.name = "ifName", .kind = MSGPACK_TEXT},
      {.name = "args", .kind = MSGPACK_TEXT},
      {.name = "path", .kind = MSGPACK_TEXT},
      {.name = "config", .kind = MSGPACK_BINARY},
      {.name = "traceparent", .kind = MSGPACK_TEXT},
      {.name = "bootId", .kind = MSGPACK_TEXT},
      {.name = "netnsDevice", .kind = MSGPACK_UNSIGNED},
      {.name = "netnsInode", .kind = MSGPACK_UNSIGNED},
      {.name = "netnsCookie", .kind = MSGPACK_UNSIGNED},
  };
  const char *const texts[] = {request->command, request->container_id, request->netns, request->if_name, request->args, request->path};
  enum { NETNS = 2, ARGS = 4, CONFIG = COUNT_OF(texts) };
  struct bytes body;
  struct msgpack_value map;
  struct buffer ignored = {0};
  bool is_record = take_body(content, &body) && msgpack_take(&body, &map) && body.length == 0 && map.number == COUNT_OF(fields) &&
                   fields_read(map, fields, COUNT_OF(fields), &ignored);
  buffer_free(&ignored);
  for (size_t i = 0; is_record && i < COUNT_OF(texts); i++) {
    struct bytes recorded = fields[i].value.content;
    if (i == NETNS && texts[i][0] == 0) continue;
    if (!(i == ARGS ? are_same_args(recorded, bytes_of_text(texts[i])) : bytes_equal_text(recorded, texts[i]))) return false;
  }
  return is_record && bytes_equal(fields[CONFIG].value.content, buffer_bytes(&request->config));
}
