/* A recorded DEL as bytes (docs/wire.md, "DELs while no daemon is there"). No file is touched here. */
#define _GNU_SOURCE
#include "spool_record.h"

#include <stdlib.h>
#include <string.h>

#include "fields.h"

enum { MAGIC_BYTES = 8, LENGTH_AT = 8, CHECKSUM_AT = 12 };

static const char magic[] = "MWSPOOL1";

uint32_t spool_checksum(struct bytes bytes) {
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
  put_word(out->data + begin + CHECKSUM_AT, spool_checksum(body));
}

/* The body, if header, length and checksum fit it. */
static bool take_body(struct bytes content, struct bytes *body, struct buffer *problem) {
  if (content.length < SPOOL_RECORD_HEADER_BYTES || memcmp(content.data, magic, MAGIC_BYTES) != 0) {
    buffer_say(problem, "it does not begin with ", magic);
    return false;
  }
  *body = (struct bytes){content.data + SPOOL_RECORD_HEADER_BYTES, content.length - SPOOL_RECORD_HEADER_BYTES};
  if (get_word(content.data + LENGTH_AT) != body->length) {
    buffer_say(problem, "it is not as long as it says");
    return false;
  }
  if (get_word(content.data + CHECKSUM_AT) != spool_checksum(*body)) {
    buffer_say(problem, "its checksum is wrong");
    return false;
  }
  return true;
}

/* The value of K8S_POD_NAMESPACE in CNI_ARGS; of several the last one counts. */
static bool find_namespace(struct bytes args, struct bytes *namespace) {
  static const char name[] = "K8S_POD_NAMESPACE=";
  const size_t name_length = sizeof name - 1;
  bool found = false;
  while (args.length > 0) {
    const uint8_t *semicolon = memchr(args.data, ';', args.length);
    size_t length = semicolon == NULL ? args.length : (size_t)(semicolon - args.data);
    if (length > name_length && memcmp(args.data, name, name_length) == 0) {
      *namespace = (struct bytes){args.data + name_length, length - name_length};
      found = true;
    }
    size_t taken = semicolon == NULL ? length : length + 1;
    args = (struct bytes){args.data + taken, args.length - taken};
  }
  return found;
}

/* Takes the head of a map off a body that may be cut off behind it: the format's three forms. */
static bool take_map_head(struct bytes *body, uint32_t *pairs) {
  const uint8_t *data = body->data;
  size_t length = 1;
  if (body->length >= 1 && (data[0] & 0xf0) == 0x80) {
    *pairs = data[0] & 0x0f;
  } else if (body->length >= 3 && data[0] == 0xde) {
    *pairs = (uint32_t)data[1] << 8 | data[2];
    length = 3;
  } else if (body->length >= 5 && data[0] == 0xdf) {
    *pairs = get_word(data + 1);
    length = 5;
  } else {
    return false;
  }
  *body = (struct bytes){data + length, body->length - length};
  return true;
}

bool spool_record_find_namespace(struct bytes head, struct bytes *namespace) {
  struct msgpack_value key, value;
  uint32_t pairs;
  if (head.length < SPOOL_RECORD_HEADER_BYTES) return false;
  struct bytes body = {head.data + SPOOL_RECORD_HEADER_BYTES, head.length - SPOOL_RECORD_HEADER_BYTES};
  if (!take_map_head(&body, &pairs)) return false;
  for (; pairs > 0 && msgpack_take(&body, &key) && msgpack_take(&body, &value); pairs--) {
    if (key.kind != MSGPACK_TEXT || value.kind != MSGPACK_TEXT || !bytes_equal_text(key.content, "args")) continue;
    return find_namespace(value.content, namespace);
  }
  return false;
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

bool spool_record_decode(struct bytes content, struct spool_record *record, struct buffer *problem) {
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
  struct bytes body;
  struct msgpack_value map;
  if (!take_body(content, &body, problem)) return false;
  if (!msgpack_take(&body, &map) || body.length > 0) {
    buffer_say(problem, "its body is not one MessagePack value");
    return false;
  }
  if (!fields_read(map, fields, FIELDS, problem)) return false;
  struct bytes boot_id = fields[BOOT_ID].value.content;
  if (!bytes_equal_text(fields[COMMAND].value.content, "DEL") || boot_id.length >= sizeof record->netns.boot_id) {
    buffer_say(problem, "its `command` is not DEL, or its `bootId` is none");
    return false;
  }
  *record = (struct spool_record){
      .request =
          {
              .command = "DEL",
              .container_id = bytes_copy_text(fields[CONTAINER_ID].value.content),
              .netns = bytes_copy_text(fields[NETNS].value.content),
              .if_name = bytes_copy_text(fields[IF_NAME].value.content),
              .args = bytes_copy_text(fields[ARGS].value.content),
              .path = bytes_copy_text(fields[PATH].value.content),
              .traceparent = bytes_copy_text(fields[TRACEPARENT].value.content),
          },
      .netns =
          {
              .device = fields[NETNS_DEVICE].value.number,
              .inode = fields[NETNS_INODE].value.number,
              .cookie = fields[NETNS_COOKIE].value.number,
          },
  };
  buffer_append_bytes(&record->request.config, fields[CONFIG].value.content);
  if (boot_id.length > 0) memcpy(record->netns.boot_id, boot_id.data, boot_id.length);
  return true;
}

void spool_record_free(struct spool_record *record) {
  struct request *request = &record->request;
  const char *const texts[] = {request->container_id, request->netns, request->if_name,
                               request->args,         request->path,  request->traceparent};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) free((char *)(uintptr_t)texts[i]);
  buffer_free(&request->config);
  *record = (struct spool_record){0};
}

bool spool_record_covers(const struct spool_record *recorded, const struct request *request) {
  const struct request *old = &recorded->request;
  return strcmp(old->container_id, request->container_id) == 0 && strcmp(old->if_name, request->if_name) == 0 &&
         (request->netns[0] == 0 || strcmp(old->netns, request->netns) == 0) && strcmp(old->args, request->args) == 0 &&
         strcmp(old->path, request->path) == 0 && old->config.length == request->config.length &&
         (old->config.length == 0 || memcmp(old->config.data, request->config.data, old->config.length) == 0);
}

bool spool_record_equals(const struct spool_record *recorded, const struct request *request) {
  return strcmp(recorded->request.netns, request->netns) == 0 && spool_record_covers(recorded, request);
}
