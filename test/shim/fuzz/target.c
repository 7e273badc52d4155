/* All decoders of the shim that are fuzzed, and what their checks share. */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void (*target_failing)(void);

const struct target *const targets[] = {&target_frames,  &target_environment,  &target_plugin_path, &target_json,
                                        &target_netconf, &target_spool_record, &target_spool_name,  &target_netlink};
const size_t target_count = sizeof targets / sizeof targets[0];

const struct target *target_find(const char *name) {
  for (size_t i = 0; i < target_count; i++) {
    if (strcmp(targets[i]->name, name) == 0) return targets[i];
  }
  return NULL;
}

_Noreturn void target_fail(const char *condition, const char *file, int line) {
  (void)fprintf(stderr, "does not hold: %s (%s:%d)\n", condition, file, line);
  if (target_failing != NULL) target_failing();
  abort();
}

void touch(struct bytes bytes) {
  static volatile unsigned touched;
  unsigned sum = 0;
  for (size_t i = 0; i < bytes.length; i++) sum += bytes.data[i];
  touched = sum;
  (void)touched;
}

struct bytes take_piece(struct bytes *input) {
  const uint8_t *end = input->length == 0 ? NULL : memchr(input->data, 0, input->length);
  struct bytes piece = {input->data, end == NULL ? input->length : (size_t)(end - input->data)};
  size_t taken = end == NULL ? piece.length : piece.length + 1;
  if (taken > 0) input->data += taken;
  input->length -= taken;
  return piece;
}
