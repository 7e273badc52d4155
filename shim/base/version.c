/* The version of this binary, and the supported versions of the CNI spec. */
#include "base/version.h"

/* tools/build/shim.mjs defines it from package.json. */
#ifndef MULTUS_VERSION
#define MULTUS_VERSION "unversioned"
#endif

const char version_of_shim[] = MULTUS_VERSION;

static const char *const supported[] = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
enum { SUPPORTED = sizeof supported / sizeof supported[0] };

void version_append_result(struct buffer *out) {
  buffer_say(out, "{\"cniVersion\":\"", supported[SUPPORTED - 1], "\",\"supportedVersions\":[");
  for (size_t i = 0; i < SUPPORTED; i++) buffer_say(out, i == 0 ? "\"" : ",\"", supported[i], "\"");
  buffer_say(out, "]}\n");
}

bool version_is_supported(struct bytes version) {
  for (size_t i = 0; i < SUPPORTED; i++) {
    if (bytes_equal_text(version, supported[i])) return true;
  }
  return false;
}

void version_append_supported(struct buffer *out) {
  for (size_t i = 0; i < SUPPORTED; i++) buffer_say(out, i == 0 ? "" : ", ", supported[i]);
}
