/* The runtime's request: the CNI_ variables, and the netconf on stdin. */
#include "wire/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "wire/msgpack.h"

enum {
  CONFIG_MAX_BYTES = 4 * 1024 * 1024,
  CONFIG_FIRST_READ = 16 * 1024,
  /* IFNAMSIZ without the zero byte. */
  IF_NAME_MAX_BYTES = 15,
};

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? "" : value;
}

static bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/* CNI spec, section 2: an alphanumeric character, then alphanumerics, underscore, dot and hyphen. */
bool request_is_container_id(const char *id) {
  if (!is_alphanumeric(id[0])) return false;
  for (; *id != 0; id++) {
    if (!is_alphanumeric(*id) && *id != '_' && *id != '.' && *id != '-') return false;
  }
  return true;
}

/* A name that the kernel takes unchanged: it would replace "eth%d" by another name, which no later command would find. */
bool request_is_if_name(const char *name) {
  size_t length = strlen(name);
  return length > 0 && length <= IF_NAME_MAX_BYTES && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
         strcspn(name, "/:% \t\n\v\f\r") == length;
}

static void append_missing(struct buffer *missing, const char *name, const char *value) {
  if (value[0] != 0) return;
  if (missing->length > 0) buffer_say(missing, ", ");
  buffer_say(missing, name);
}

static bool is_command(const struct request *request, const char *command) { return strcmp(request->command, command) == 0; }

bool request_has_attachment(const struct request *request) {
  return is_command(request, "ADD") || is_command(request, "CHECK") || is_command(request, "DEL");
}

bool request_needs_daemon(const struct request *request) {
  return !is_command(request, "DEL") && !is_command(request, "STATUS");
}

void request_read_environment(struct request *request) {
  *request = (struct request){
      .command = variable("CNI_COMMAND"),
      .container_id = variable("CNI_CONTAINERID"),
      .netns = variable("CNI_NETNS"),
      .if_name = variable("CNI_IFNAME"),
      .args = variable("CNI_ARGS"),
      .path = variable("CNI_PATH"),
      .traceparent = variable("TRACEPARENT"),
  };
  const char *command = request->command;
  bool adds_or_checks = is_command(request, "ADD") || is_command(request, "CHECK");
  bool has_attachment = request_has_attachment(request);
  if (!has_attachment && !is_command(request, "GC") && !is_command(request, "STATUS")) {
    struct buffer message = {0};
    buffer_say(&message, "unknown CNI_COMMAND \"", command, "\"");
    fail(CNI_INVALID_ENVIRONMENT, buffer_text(&message), "known are ADD, DEL, CHECK, GC, STATUS and VERSION");
  }
  struct buffer missing = {0};
  if (has_attachment) append_missing(&missing, "CNI_CONTAINERID", request->container_id);
  if (adds_or_checks) append_missing(&missing, "CNI_NETNS", request->netns);
  if (has_attachment) append_missing(&missing, "CNI_IFNAME", request->if_name);
  append_missing(&missing, "CNI_PATH", request->path);
  if (missing.length > 0) {
    struct buffer message = {0};
    buffer_say(&message, "required environment variables missing for ", command, ": ", buffer_text(&missing));
    fail(CNI_INVALID_ENVIRONMENT, buffer_text(&message), "");
  }
  if (has_attachment && !request_is_container_id(request->container_id)) {
    fail(CNI_INVALID_ENVIRONMENT, "invalid characters in CNI_CONTAINERID", request->container_id);
  }
  if (has_attachment && !request_is_if_name(request->if_name)) {
    fail(CNI_INVALID_ENVIRONMENT, "CNI_IFNAME is not the name of an interface (1 to 15 bytes, no slash, colon, percent sign or space)",
         request->if_name);
  }
}

void request_read_config(struct request *request, const struct signals *signals) {
  struct buffer *config = &request->config;
  for (;;) {
    enum wait wait = signals_wait(signals, STDIN_FILENO, -1);
    if (wait == WAIT_SIGNALLED && errno == EINTR) fail(CNI_TRY_AGAIN_LATER, "ended by a signal while reading the network configuration", "");
    if (wait == WAIT_SIGNALLED) fail_errno(CNI_IO_FAILURE, "waiting for the network configuration on stdin", errno);
    if (wait != WAIT_READABLE) continue;
    buffer_reserve(config, config->length == 0 ? CONFIG_FIRST_READ : config->length);
    ssize_t length = read(STDIN_FILENO, config->data + config->length, config->capacity - config->length);
    if (length == 0) return;
    if (length > 0) config->length += (size_t)length;
    if (length < 0 && errno != EINTR && errno != EAGAIN) fail_errno(CNI_IO_FAILURE, "reading the network configuration from stdin", errno);
    if (config->length > CONFIG_MAX_BYTES) fail(CNI_INVALID_NETWORK_CONFIG, "the network configuration on stdin is larger than 4 MiB", "");
  }
}

void request_put_variables(const struct request *request, struct buffer *out) {
  msgpack_put_pair(out, "command", request->command);
  msgpack_put_pair(out, "containerId", request->container_id);
  msgpack_put_pair(out, "netns", request->netns);
  msgpack_put_pair(out, "ifName", request->if_name);
  msgpack_put_pair(out, "args", request->args);
  msgpack_put_pair(out, "path", request->path);
}
