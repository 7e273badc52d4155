/* Target: recorded DELs (shim/spool_record.c). */
#define _GNU_SOURCE
#include "spool_record.h"

#include <stdlib.h>
#include <string.h>

#include "target.h"

static void seed(struct buffer *out, uint64_t which) {
  (void)which;
  struct spool_record record = {
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
  spool_record_encode(&record, out);
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

/* The namespace that is found in a record's first bytes is the one in its arguments. */
static void check_namespace(struct bytes file, const struct request *request) {
  struct bytes namespace;
  if (!spool_record_find_namespace(file, &namespace)) return;
  char *copy = bytes_copy_text(namespace);
  MUST(namespace.length > 0 && strstr(request->args, copy) != NULL);
  free(copy);
}

/* A file is a record, which is the same once it has been written and read again, or `problem` says why it is none. */
static void check(struct bytes file) {
  struct bytes namespace;
  (void)spool_record_find_namespace(file, &namespace);
  struct spool_record record, again;
  struct buffer problem = {0}, written = {0};
  if (spool_record_decode(file, &record, &problem)) {
    MUST(problem.length == 0 && strcmp(record.request.command, "DEL") == 0);
    spool_record_encode(&record, &written);
    MUST(spool_record_decode((struct bytes){written.data, written.length}, &again, &problem));
    MUST(spool_record_covers(&again, &record.request) && again.netns.cookie == record.netns.cookie);
    check_namespace((struct bytes){written.data, written.length}, &record.request);
    spool_record_free(&record);
    spool_record_free(&again);
  } else {
    MUST(problem.length > 0 && problem.length < 200);
  }
  buffer_free(&problem);
  buffer_free(&written);
}

const struct target target_spool_record = {.name = "spool-record", .seed = seed, .fit = fit, .check = check};
