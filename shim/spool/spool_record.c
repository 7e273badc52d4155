/* A recorded DEL as bytes (docs/wire.md, "DELs while no daemon is there"). No file is touched here. */
#include "spool/spool_record.h"

#include <stdlib.h>
#include <string.h>

#include "wire/fields.h"

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

static void put_number(struct buffer *out, const char *key, uint64_t number) {
  msgpack_put_text(out, key);
  msgpack_put_unsigned(out, number);
}

void spool_record_encode(const struct spool_record *record, struct buffer *out) {
  static const uint8_t length_and_checksum[SPOOL_RECORD_HEADER_BYTES - MAGIC_BYTES];
  const struct request *request = &record->request;
  size_t begin = out->length;
  buffer_append(out, magic, MAGIC_BYTES);
  buffer_append(out, length_and_checksum, sizeof length_and_checksum);
  msgpack_put_map(out, REQUEST_VARIABLES + 6);
  request_put_variables(request, out);
  msgpack_put_text(out, "traceparent");
  msgpack_put_text(out, request->traceparent);
  msgpack_put_text(out, "bootId");
  msgpack_put_text(out, record->netns.boot_id);
  put_number(out, "netnsDevice", record->netns.device);
  put_number(out, "netnsInode", record->netns.inode);
  put_number(out, "netnsCookie", record->netns.cookie);
  msgpack_put_text(out, "config");
  msgpack_put_binary_head(out, request->config.length);
  buffer_append(out, request->config.data, request->config.length);
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

/* In the order of the members of struct request, then those of struct netns_identity. */
enum {
  COMMAND,
  CONTAINER_ID,
  NETNS,
  IF_NAME,
  ARGS,
  PATH,
  TRACEPARENT,
  CONFIG,
  BOOT_ID,
  NETNS_DEVICE,
  NETNS_INODE,
  NETNS_COOKIE,
  FIELDS,
};

/* Reads the values of a file's content, which point into it. False: it is no record as spool_record_encode() writes it. */
static bool read_fields(struct bytes content, struct field fields[FIELDS]) {
  struct bytes body;
  struct msgpack_value map;
  struct buffer ignored = {0};
  bool is_record = take_body(content, &body) && msgpack_take(&body, &map) && body.length == 0 && map.number == FIELDS &&
                   fields_read(map, fields, FIELDS, &ignored);
  buffer_free(&ignored);
  return is_record;
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
  struct field fields[FIELDS] = {
      [COMMAND] = {.name = "command", .kind = MSGPACK_TEXT},
      [CONTAINER_ID] = {.name = "containerId", .kind = MSGPACK_TEXT},
      [NETNS] = {.name = "netns", .kind = MSGPACK_TEXT},
      [IF_NAME] = {.name = "ifName", .kind = MSGPACK_TEXT},
      [ARGS] = {.name = "args", .kind = MSGPACK_TEXT},
      [PATH] = {.name = "path", .kind = MSGPACK_TEXT},
      [TRACEPARENT] = {.name = "traceparent", .kind = MSGPACK_TEXT},
      [CONFIG] = {.name = "config", .kind = MSGPACK_BINARY},
      [BOOT_ID] = {.name = "bootId", .kind = MSGPACK_TEXT},
      [NETNS_DEVICE] = {.name = "netnsDevice", .kind = MSGPACK_UNSIGNED},
      [NETNS_INODE] = {.name = "netnsInode", .kind = MSGPACK_UNSIGNED},
      [NETNS_COOKIE] = {.name = "netnsCookie", .kind = MSGPACK_UNSIGNED},
  };
  if (!read_fields(content, fields)) return false;
  const char *const texts[] = {[COMMAND] = request->command,   [CONTAINER_ID] = request->container_id, [NETNS] = request->netns,
                               [IF_NAME] = request->if_name, [ARGS] = request->args,                 [PATH] = request->path};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    bool may_be_gone = i == NETNS && texts[i][0] == 0;
    struct bytes recorded = fields[i].value.content;
    bool is_same = i == ARGS ? are_same_args(recorded, bytes_of_text(texts[i])) : bytes_equal_text(recorded, texts[i]);
    if (!is_same && !may_be_gone) return false;
  }
  return bytes_equal(fields[CONFIG].value.content, (struct bytes){request->config.data, request->config.length});
}
