/* Runs the shim's decoders over bytes, under sanitizers.
 *
 * fuzz-frame loop MILLISECONDS SEED   mutated frames, orders, JSON texts and recorded DELs until the time is over; prints how many
 * fuzz-frame frames                   reads a stream from stdin, prints a line for each frame: "type id kind", then how it ends
 * fuzz-frame orders                   the same, but prints what the decoder of the order says: "ok", or what is wrong */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "environment.h"
#include "json.h"
#include "order.h"
#include "spool_record.h"

/* What must hold whatever the input; the message tells which seed to run again. */
#define MUST(condition)                                                              \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "does not hold: %s (line %d)\n", #condition, __LINE__);        \
      abort();                                                                       \
    }                                                                                \
  } while (0)

static uint64_t random_state;

static uint64_t random_number(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static size_t random_below(size_t limit) { return limit == 0 ? 0 : (size_t)(random_number() % limit); }

/* Reads every byte, so that a sanitizer sees a view that reaches too far. */
static unsigned touch(struct bytes bytes) {
  unsigned sum = 0;
  for (size_t i = 0; i < bytes.length; i++) sum += bytes.data[i];
  return sum;
}

static volatile unsigned touched;

static void check_exec(const struct order_exec *order) {
  touched += touch(order->plugin) + touch(order->path) + touch(order->input);
  MUST(memchr(order->plugin.data, 0, order->plugin.length) == NULL);
  if (order->has_absent_link) touched += touch(order->absent_link.netns) + touch(order->absent_link.if_name);
  struct environment environment = environment_make(ENVIRONMENT_OF_AGENT, order->environment);
  for (char **entry = environment.list; *entry != NULL; entry++) MUST(strchr(*entry, '=') > *entry);
  environment_free(&environment);
}

/* Takes a body apart as every order. Appends what the order of this type says. */
static void check_body(const struct frame *frame, struct buffer *verdict) {
  struct buffer problems[4] = {{0}};
  struct order_exec exec;
  struct order_link link;
  struct order_default_route route;
  struct order_reply reply;
  bool good[4] = {
      order_read_exec(frame->body, &exec, &problems[0]),
      order_read_link(frame->body, &link, &problems[1]),
      order_read_default_route(frame->body, &route, &problems[2]),
      order_read_reply(frame->body, &reply, &problems[3]),
  };
  if (good[0]) check_exec(&exec);
  if (good[1]) {
    touched += touch(link.netns);
    MUST(link.if_name.length <= ORDER_MAX_IF_NAME);
  }
  if (good[2]) {
    MUST(good[1] && route.gateway_count <= ORDER_MAX_GATEWAYS);
    for (size_t i = 0; i < route.gateway_count; i++) touched += touch(route.gateways[i]);
  }
  if (good[3]) touched += touch(reply.output);
  for (size_t i = 0; i < 4; i++) MUST(good[i] == (problems[i].length == 0));
  size_t own = frame->type == FRAME_REPLY ? 3 : (size_t)(frame->type - FRAME_FIRST_ORDER);
  if (own < 4) buffer_say(verdict, good[own] ? "ok" : buffer_text(&problems[own]));
  for (size_t i = 0; i < 4; i++) buffer_free(&problems[i]);
}

static const char *const kind_names[] = {"nil", "boolean", "unsigned", "text", "binary", "array", "map", "other"};

/* Goes through a stream as the shim does. With `print` 'f' or 'o' says what it finds. */
static void check_stream(struct bytes stream, char print) {
  struct frame frame;
  size_t size;
  const char *problem;
  enum frame_status status;
  while ((status = frame_read(stream, &frame, &size, &problem)) == FRAME_COMPLETE) {
    MUST(size <= stream.length && size >= FRAME_HEADER_BYTES + 4);
    struct bytes part = {stream.data, random_below(size)};
    struct frame ignored;
    size_t missing;
    MUST(frame_read(part, &ignored, &missing, &problem) == FRAME_INCOMPLETE && missing > part.length && missing <= size);
    struct buffer verdict = {0};
    check_body(&frame, &verdict);
    if (print == 'f') printf("%" PRIu64 " %" PRIu32 " %s\n", frame.type, frame.id, kind_names[frame.body.kind]);
    if (print == 'o') printf("%s\n", buffer_text(&verdict));
    buffer_free(&verdict);
    stream.data += size;
    stream.length -= size;
  }
  if (print != 0) {
    if (status == FRAME_BROKEN) {
      printf("broken: %s\n", problem);
    } else {
      printf(stream.length == 0 ? "end\n" : "incomplete\n");
    }
  }
}

static void check_json(struct bytes text) {
  struct json_wanted wanted[] = {{.key = "cniVersion"}, {.key = "k"}, {.key = ""}};
  json_find_strings(text, wanted, 3);
  for (size_t i = 0; i < 3; i++) {
    touched += touch((struct bytes){wanted[i].value.data, wanted[i].value.length});
    buffer_free(&wanted[i].value);
  }
  struct bytes value;
  if (json_find_value(text, "k", &value)) {
    uint32_t number;
    struct buffer texts = {0};
    size_t count, ends = 0;
    touched += touch(value);
    MUST(value.length > 0 && value.data >= text.data && value.data + value.length <= text.data + text.length);
    if (json_read_unsigned(value, 600000, &number)) MUST(number <= 600000 && value.data[0] >= '0' && value.data[0] <= '9');
    if (json_read_strings(value, &texts, &count)) {
      for (size_t i = 0; i < texts.length; i++) ends += texts.data[i] == 0;
      MUST(ends == count && value.data[0] == '[' && value.data[value.length - 1] == ']');
      MUST(texts.length == 0 || texts.data[texts.length - 1] == 0);
    }
    buffer_free(&texts);
  }
  /* Any bytes become a string that can be read again. */
  struct buffer written = {0};
  buffer_say(&written, "{\"k\": ");
  json_append_string(&written, text);
  buffer_say(&written, "}");
  struct json_wanted again = {.key = "k"};
  json_find_strings((struct bytes){written.data, written.length}, &again, 1);
  MUST(again.found);
  buffer_free(&again.value);
  buffer_free(&written);
}

static void put_pair(struct buffer *out, const char *key, const char *value) {
  msgpack_put_text(out, key);
  msgpack_put_text(out, value);
}

/* One good frame of each kind. */
static void append_seed_frame(struct buffer *out, size_t which) {
  static const enum frame_type types[] = {FRAME_EXEC, FRAME_LINK_EXISTS, FRAME_DEFAULT_ROUTE, FRAME_REPLY, FRAME_HELLO};
  enum frame_type type = types[which];
  uint32_t gateways;
  size_t begin = frame_begin(out, type, (uint32_t)random_number());
  switch (type) {
    case FRAME_EXEC:
      msgpack_put_map(out, 7);
      put_pair(out, "plugin", "bridge");
      put_pair(out, "path", "/opt/cni/bin:/usr/lib/cni");
      msgpack_put_text(out, "env");
      msgpack_put_map(out, 3);
      put_pair(out, "CNI_COMMAND", "ADD");
      put_pair(out, "CNI_ARGS", "IgnoreUnknown=true;K8S_POD_NAME=pod-with-a-name-that-is-longer-than-thirty-one-bytes");
      put_pair(out, "EMPTY", "");
      msgpack_put_text(out, "stdin");
      msgpack_put_binary_head(out, 2);
      buffer_say(out, "{}");
      msgpack_put_text(out, "timeoutMs");
      msgpack_put_unsigned(out, 120000);
      msgpack_put_text(out, "absentLink");
      msgpack_put_map(out, 2);
      put_pair(out, "netns", "/run/netns/pod");
      put_pair(out, "ifName", "net1");
      msgpack_put_text(out, "unknown");
      msgpack_put_array(out, 2);
      msgpack_put_boolean(out, true);
      msgpack_put_unsigned(out, UINT64_MAX);
      break;
    case FRAME_LINK_EXISTS:
      msgpack_put_map(out, 2);
      put_pair(out, "netns", "/run/netns/pod");
      put_pair(out, "ifName", "eth0");
      break;
    case FRAME_DEFAULT_ROUTE:
      msgpack_put_map(out, 4);
      put_pair(out, "netns", "/run/netns/pod");
      put_pair(out, "ifName", "eth0");
      msgpack_put_text(out, "clear");
      msgpack_put_array(out, 2);
      msgpack_put_unsigned(out, 4);
      msgpack_put_unsigned(out, 6);
      msgpack_put_text(out, "add");
      gateways = (uint32_t)random_below(ORDER_MAX_GATEWAYS + 3);
      msgpack_put_array(out, gateways);
      for (uint32_t i = 0; i < gateways; i++) msgpack_put_text(out, i % 2 == 0 ? "10.0.0.1" : "fd00::1");
      break;
    case FRAME_REPLY:
    case FRAME_HELLO:
    case FRAME_REQUEST:
    case FRAME_DONE:
      msgpack_put_map(out, 2);
      msgpack_put_text(out, "exitCode");
      msgpack_put_unsigned(out, 1);
      msgpack_put_text(out, "stdout");
      msgpack_put_binary_head(out, 12);
      buffer_say(out, "{\"code\":999}");
      break;
  }
  frame_end(out, begin, 0);
}

static void append_seed_record(struct buffer *out) {
  struct spool_record record = {
      .request =
          {
              .command = "DEL",
              .container_id = "0123456789abcdef",
              .netns = "/run/netns/pod",
              .if_name = "eth0",
              .args = "K8S_POD_NAME=pod-with-a-name-that-is-longer-than-thirty-one-bytes",
              .path = "/opt/cni/bin:/usr/lib/cni",
              .traceparent = "",
          },
      .netns = {.boot_id = "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e", .device = 4, .inode = UINT32_MAX, .cookie = UINT64_MAX},
  };
  buffer_say(&record.request.config, "{\"name\":\"x\"}");
  spool_record_encode(&record, out);
  buffer_free(&record.request.config);
}

/* Makes length and checksum of a record's file fit its body again; CRC-32 by a table, unlike the shim's. */
static void fit_record(struct buffer *file) {
  static uint32_t table[256];
  for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
    uint32_t entry = i;
    for (int bit = 0; bit < 8; bit++) entry = (entry & 1) != 0 ? entry >> 1 ^ 0xedb88320 : entry >> 1;
    table[i] = entry;
  }
  uint32_t words[2] = {(uint32_t)(file->length - SPOOL_RECORD_HEADER_BYTES), UINT32_MAX};
  for (size_t i = SPOOL_RECORD_HEADER_BYTES; i < file->length; i++) {
    words[1] = table[(words[1] ^ file->data[i]) & 0xff] ^ words[1] >> 8;
  }
  words[1] = ~words[1];
  for (size_t i = 0; i < 8; i++) file->data[8 + i] = (uint8_t)(words[i / 4] >> (8 * (3 - i % 4)));
}

/* A file is a record, which is the same once it has been written and read again, or `problem` says why it is none. */
static void check_record(struct bytes file, char print) {
  (void)print;
  struct spool_record record, again;
  struct buffer problem = {0}, written = {0};
  if (spool_record_decode(file, &record, &problem)) {
    MUST(problem.length == 0 && strcmp(record.request.command, "DEL") == 0);
    spool_record_encode(&record, &written);
    MUST(spool_record_decode((struct bytes){written.data, written.length}, &again, &problem));
    MUST(spool_record_covers(&again, &record.request) && again.netns.cookie == record.netns.cookie);
    spool_record_free(&record);
    spool_record_free(&again);
  } else {
    MUST(problem.length > 0);
  }
  buffer_free(&problem);
  buffer_free(&written);
}

static const char *const seed_texts[] = {
    "{\"cniVersion\":\"1.0.0\",\"name\":\"a\\u00e4\\ud83d\\ude00\\ud800\",\"k\":{\"k\":[1,2,{\"k\":\"\\\"\"}]},\"\":\"\\/\\b\\f\\n\\r\\t\"}",
    "  { \"k\" : -1.5e9 , \"cniVersion\" : null , \"k\" : \"\xf0\x9f\x98\x80 \xff \xed\xa0\x80\" } ",
    "[[[[{\"cniVersion\":\"x\"}]]]]",
    "{\"k\":\"\\u00e\"",
    "{\"\":\"\\ud83d\\u\"",
    "{\"k\": [\"/a\", \"--b\\n\", \"\" ] , \"cniVersion\":\"1.1.0\"}",
    "{\"K\":600000}",
};
enum { SEED_TEXTS = sizeof seed_texts / sizeof seed_texts[0] };

/* One random change somewhere in `input`, behind its first `spared` bytes. */
static void mutate(struct buffer *input, size_t spared) {
  static const uint8_t telling[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc9, 0xcf, 0xd3,
                                    0xd4, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, '"',  '\\', '{',  '}',  'u'};
  if (input->length <= spared) return;
  size_t at = spared + random_below(input->length - spared);
  size_t span = 1 + random_below(input->length - at < 16 ? input->length - at : 16);
  if (span > input->length - at) span = input->length - at;
  struct buffer copy = {0};
  switch (random_below(6)) {
    case 0:
      input->data[at] ^= (uint8_t)(1u << random_below(8));
      break;
    case 1:
      input->data[at] = telling[random_below(sizeof telling)];
      break;
    case 2:
      memmove(input->data + at, input->data + at + span, input->length - at - span);
      input->length -= span;
      break;
    case 3: /* the span twice */
      buffer_append(&copy, input->data + at, input->length - at);
      input->length = at + span;
      buffer_append(input, copy.data, copy.length);
      buffer_free(&copy);
      break;
    case 4:
      for (size_t i = 0; i < span; i++) input->data[at + i] = (uint8_t)random_number();
      break;
    default:
      input->length = at;
      break;
  }
}

/* The input in a block of exactly its size, so that one byte too far is seen. */
static void check_copy(const struct buffer *input, void (*check)(struct bytes, char)) {
  uint8_t *exact = memory_take(input->length);
  if (input->length > 0) memcpy(exact, input->data, input->length);
  check((struct bytes){exact, input->length}, 0);
  free(exact);
}

static void check_json_copy(struct bytes text, char print) {
  (void)print;
  check_json(text);
}

static void loop(int64_t milliseconds) {
  int64_t end = clock_micros() + milliseconds * MICROS_PER_MILLI;
  uint64_t rounds = 0;
  struct buffer input = {0};
  while (rounds % 64 != 0 || clock_micros() < end) {
    rounds++;
    input.length = 0;
    append_seed_frame(&input, random_below(5));
    for (size_t changes = random_below(6); changes > 0; changes--) mutate(&input, FRAME_HEADER_BYTES);
    /* Mostly a length that is right, so that what is behind it is reached. */
    if (random_below(8) == 0) {
      mutate(&input, 0);
    } else if (input.length >= FRAME_HEADER_BYTES) {
      frame_end(&input, 0, 0);
    }
    if (random_below(2) == 0) append_seed_frame(&input, random_below(5));
    check_copy(&input, check_stream);

    input.length = 0;
    buffer_say(&input, seed_texts[random_below(SEED_TEXTS)]);
    for (size_t changes = random_below(6); changes > 0; changes--) mutate(&input, 0);
    check_copy(&input, check_json_copy);

    input.length = 0;
    append_seed_record(&input);
    for (size_t changes = random_below(4); changes > 0; changes--) mutate(&input, 0);
    /* Mostly a checksum that is right, so that what is behind it is reached. */
    if (random_below(8) != 0 && input.length >= SPOOL_RECORD_HEADER_BYTES) fit_record(&input);
    check_copy(&input, check_record);
  }
  buffer_free(&input);
  printf("%" PRIu64 " rounds\n", rounds);
}

static void read_stream(char print) {
  struct buffer input = {0};
  ssize_t length;
  do {
    buffer_reserve(&input, 65536);
    length = read(STDIN_FILENO, input.data + input.length, input.capacity - input.length);
    MUST(length >= 0);
    input.length += (size_t)length;
  } while (length > 0);
  random_state = 1;
  uint8_t *exact = memory_take(input.length);
  if (input.length > 0) memcpy(exact, input.data, input.length);
  check_stream((struct bytes){exact, input.length}, print);
  free(exact);
  buffer_free(&input);
}

int main(int count, char **values) {
  if (count == 4 && strcmp(values[1], "loop") == 0) {
    random_state = strtoull(values[3], NULL, 10) * 2 + 1;
    loop(strtoll(values[2], NULL, 10));
    return 0;
  }
  if (count == 2 && (strcmp(values[1], "frames") == 0 || strcmp(values[1], "orders") == 0)) {
    read_stream(values[1][0]);
    return 0;
  }
  fprintf(stderr, "usage: fuzz-frame loop MILLISECONDS SEED | frames | orders\n");
  return 2;
}
