/* The plugin `passthru`: this binary's role if it is installed under that name, as Go multus installs one. */
#include "roles.h"

#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/version.h"
#include "wire/request.h"

static const struct program passthru = {
    .name = "passthru",
    .purpose = "hands on the result of the plugin before it",
    .help = "",
};

bool passthru_is(const char *program) {
  if (program == NULL) return false;
  const char *slash = strrchr(program, '/');
  return strcmp(slash == NULL ? program : slash + 1, passthru.name) == 0;
}

static int add(struct request *request) {
  struct signals signals;
  signals_take(&signals);
  request_read_config(request, &signals);
  struct bytes config = buffer_bytes(&request->config);
  if (!json_is_object(config)) fail(CNI_INVALID_NETWORK_CONFIG, "passthru: the network configuration on stdin is no JSON object", "");

  struct json_wanted wanted[] = {{.key = "cniVersion"}, {.key = "prevResult"}}, *previous = &wanted[1];
  struct buffer version = {0}, result = {0};
  json_find(config, wanted, COUNT_OF(wanted));
  if (!wanted[0].found || !json_read_string(wanted[0].value, &version)) version.length = 0;
  failure_set_cni_version(buffer_bytes(&version));
  if (version.length > 0 && !version_is_supported(buffer_bytes(&version))) {
    struct buffer details = {0};
    version_append_supported(&details);
    fail(CNI_INCOMPATIBLE_VERSION, "passthru: the network configuration's cniVersion is not supported", buffer_text(&details));
  }
  if (previous->found && !json_is_object(previous->value)) {
    fail(CNI_INVALID_NETWORK_CONFIG, "passthru: prevResult of the network configuration is no JSON object", "");
  }
  if (previous->found) {
    buffer_append_bytes(&result, previous->value);
  } else if (version.length > 0) {
    buffer_say(&result, "{\"cniVersion\":");
    json_append_string(&result, buffer_bytes(&version));
    buffer_say(&result, "}");
  } else {
    /* Without cniVersion, as libcni prints it. */
    buffer_say(&result, "{}");
  }
  buffer_say(&result, "\n");
  buffer_free(&version);
  buffer_free(&request->config);
  return print_text(STDOUT_FILENO, &result);
}

int passthru_run(int count, char **arguments) {
  int exit_code;
  struct request request;
  if (program_answers(&passthru, count, arguments, &exit_code)) return exit_code;
  /* Checks the variables, and refuses an unknown command. Without ADD stdin is ignored. */
  request_read_environment(&request);
  return strcmp(request.command, "ADD") == 0 ? add(&request) : 0;
}
