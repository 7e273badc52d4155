/* Target: whether a recorded DEL covers another one (shim/spool/spool_record.c). */
#include "spool/spool_record.h"

#include "target.h"

struct record {
  struct request request;
  struct netns_identity netns;
};

/* A DEL with everything in it; freed with its config. */
static struct record make_record(void) {
  struct record record = {
      .request =
          {
              .command = "DEL",
              .container_id = "0123456789abcdef",
              .netns = "/run/netns/pod",
              .if_name = "eth0",
              .args = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-with-a-name-that-is-longer-than-thirty-one-bytes",
              .path = "/opt/cni/bin:/usr/lib/cni",
              .traceparent = "",
          },
      .netns = {.boot_id = "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e", .device = 4, .inode = UINT32_MAX, .cookie = UINT64_MAX},
  };
  buffer_say(&record.request.config, "{\"name\":\"x\"}");
  return record;
}

static void seed(struct buffer *out, uint64_t which) {
  struct record record = make_record();
  /* These are not compared. */
  if (which % 2 == 1) record.request.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  if (which % 3 == 1) record.netns = (struct netns_identity){.boot_id = ""};
  spool_record_encode(&record.request, &record.netns, out);
  buffer_free(&record.request.config);
}

/* Makes length and checksum of a record's file fit its body again; CRC-32 by a table, unlike the shim's. */
static void fit(struct buffer *file) {
  if (file->length < SPOOL_RECORD_HEADER_BYTES) return;
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

/* A record that covers a DEL covers it too when its namespace is gone, and none that differs in anything else. */
static void check(struct bytes file) {
  struct record record = make_record();
  struct request *request = &record.request;
  struct buffer written = {0};
  spool_record_encode(request, &record.netns, &written);
  MUST(spool_record_covers((struct bytes){written.data, written.length}, request));
  bool covers = spool_record_covers(file, request);
  request->netns = "";
  bool covers_without_netns = spool_record_covers(file, request);
  MUST(covers_without_netns || !covers);
  request->netns = "/run/netns/other";
  MUST(!(covers && spool_record_covers(file, request)));
  request->netns = "";
  const char **const texts[] = {&request->container_id, &request->if_name, &request->args, &request->path};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const char *own = *texts[i];
    *texts[i] = "other";
    MUST(!(covers_without_netns && spool_record_covers(file, request)));
    *texts[i] = own;
  }
  buffer_append_byte(&request->config, ' ');
  MUST(!(covers_without_netns && spool_record_covers(file, request)));
  buffer_free(&request->config);
  buffer_free(&written);
}

const struct target target_spool_record = {.name = "spool-record", .seed = seed, .fit = fit, .check = check};
