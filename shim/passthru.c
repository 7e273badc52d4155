/* The plugin `passthru`: this binary's role if it is installed under that name, as Go multus installs one. */
#include "passthru.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "flags.h"
#include "base/json.h"
#include "wire/request.h"
#include "base/version.h"

static const char name[] = "passthru";

bool passthru_is(const char *program) {
  if (program == NULL) return false;
  const char *slash = strrchr(program, '/');
  return strcmp(slash == NULL ? program : slash + 1, name) == 0;
}

/* An empty result; without cniVersion if the configuration has none, as libcni prints it. */
static void append_empty_result(struct buffer *out, const struct json_wanted *version) {
  buffer_say(out, "{");
  if (version->found && version->value.length > 0) {
    buffer_say(out, "\"cniVersion\":");
    json_append_string(out, (struct bytes){version->value.data, version->value.length});
  }
  buffer_say(out, "}");
}

static int add(void) {
  struct request request;
  struct signals signals;
  request_read_environment(&request);
  signals_take(&signals);
  request_read_config(&request, &signals);
  struct bytes config = {request.config.data, request.config.length}, previous;
  if (!json_is_object(config)) fail(CNI_INVALID_NETWORK_CONFIG, "passthru: the network configuration on stdin is no JSON object", "");

  struct json_wanted version = {.key = "cniVersion"};
  json_find_strings(config, &version, 1);
  struct bytes version_text = {version.value.data, version.value.length};
  if (version.found) failure_set_cni_version(version_text);
  if (version.found && version_text.length > 0 && !version_is_supported(version_text)) {
    struct buffer details = {0};
    version_append_supported(&details);
    fail(CNI_INCOMPATIBLE_VERSION, "passthru: the network configuration's cniVersion is not supported", buffer_text(&details));
  }
  struct buffer result = {0};
  if (!json_find_value(config, "prevResult", &previous)) {
    append_empty_result(&result, &version);
  } else if (json_is_object(previous)) {
    buffer_append_bytes(&result, previous);
  } else {
    fail(CNI_INVALID_NETWORK_CONFIG, "passthru: prevResult of the network configuration is no JSON object", "");
  }
  buffer_say(&result, "\n");
  buffer_free(&version.value);
  buffer_free(&request.config);
  return print_text(STDOUT_FILENO, &result);
}

static void append_about(struct buffer *text) {
  buffer_say(text, name, " ", version_of_shim, " (multus-wasm): CNI plugin that hands on the result of the plugin before it\n");
  buffer_say(text, "CNI spec versions supported: ");
  version_append_supported(text);
  buffer_say(text, "\n");
}

int passthru_run(int count, char **arguments) {
  struct buffer text = {0};
  switch (flags_read(count, arguments)) {
    case FLAGS_NONE:
      break;
    case FLAGS_VERSION:
    case FLAGS_HELP:
      append_about(&text);
      return print_text(STDOUT_FILENO, &text);
    case FLAGS_UNKNOWN:
      buffer_say(&text, name, ": unknown argument\n");
      (void)print_text(STDERR_FILENO, &text);
      return 2;
  }
  const char *command = getenv("CNI_COMMAND");
  if (command == NULL || command[0] == 0) {
    append_about(&text);
    return print_text(STDERR_FILENO, &text);
  }
  if (strcmp(command, "VERSION") == 0) {
    version_append_result(&text);
    return print_text(STDOUT_FILENO, &text);
  }
  if (strcmp(command, "ADD") == 0) return add();
  /* Checks the variables, and refuses an unknown command. stdin is ignored. */
  struct request request;
  request_read_environment(&request);
  return 0;
}
