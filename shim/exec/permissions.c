/* Decides which orders are permitted in one call (docs/wire.md, "What the shim refuses"). */
#include "exec/permissions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "net/netns_identity.h"
#include "net/netns_use.h"

enum {
  /* Bytes of a daemon's value that a message quotes. */
  QUOTED_MAX_BYTES = 200,
  /* W3C Trace Context: the exact length of a traceparent of version 00; later versions may append to it. */
  TRACEPARENT_BYTES = 55,
  TRACEPARENT_MAX_BYTES = 512,
  TRACESTATE_MAX_BYTES = 4096,
};

/* A variable of an order's `env`. */
struct variable {
  bool is_set;
  struct bytes value;
};

static void quote(struct buffer *problem, struct bytes value) {
  bool is_long = value.length > QUOTED_MAX_BYTES;
  buffer_say(problem, "\"");
  buffer_append_bytes(problem, (struct bytes){value.data, is_long ? QUOTED_MAX_BYTES : value.length});
  buffer_say(problem, is_long ? "…\"" : "\"");
}

/* Appends "`env` sets NAME to "value"". */
static void say_setting(struct buffer *problem, size_t index, struct bytes value) {
  buffer_say(problem, "`env` sets ", environment_settable[index], " to ");
  quote(problem, value);
}

struct permissions permissions_of_call(const struct request *call, const struct plugin_directories *directories) {
  struct permissions permissions = {
      .of = PERMISSIONS_OF_CALL, .directories = directories, .call = call, .environment_base = ENVIRONMENT_OF_RUNTIME};
  if (strcmp(call->command, "GC") != 0) return permissions;
  /* CNI spec 1.1.0, "GC". libcni sends the list under both keys, and null where it is empty. */
  static const char *const keys[] = {"cni.dev/valid-attachments", "cni.dev/attachments"};
  struct bytes netconf = {call->config.data, call->config.length}, list;
  for (size_t i = 0; i < 2; i++) {
    if (json_is_null(netconf, keys[i])) permissions.has_valid_containers = true;
    if (!json_find_value(netconf, keys[i], &list)) continue;
    permissions.has_valid_containers = json_read_members(list, "containerID", &permissions.valid_containers);
    if (!permissions.has_valid_containers) break;
  }
  return permissions;
}

struct permissions permissions_of_replay(const struct plugin_directories *directories) {
  return (struct permissions){.of = PERMISSIONS_OF_REPLAY, .directories = directories, .environment_base = ENVIRONMENT_OF_RUNTIME};
}

struct permissions permissions_of_agent(const struct plugin_directories *directories, enum environment_base base) {
  return (struct permissions){.of = PERMISSIONS_OF_AGENT, .directories = directories, .environment_base = base};
}

void permissions_free(struct permissions *permissions) { buffer_free(&permissions->valid_containers); }

static bool is_call(const struct permissions *permissions, const char *command) {
  return permissions->call != NULL && strcmp(permissions->call->command, command) == 0;
}

/* Appends "does not belong to the runtime's DEL", or to what else the orders belong to. */
static void say_foreign(const struct permissions *permissions, struct buffer *problem) {
  if (permissions->of == PERMISSIONS_OF_CALL) {
    buffer_say(problem, "does not belong to the runtime's ", permissions->call->command);
  } else {
    buffer_say(problem, permissions->of == PERMISSIONS_OF_REPLAY ? "does not belong to the replay of recorded DELs" : "does not belong to an agent");
  }
}

static bool read_variables(struct msgpack_value environment, struct variable *variables, struct buffer *problem) {
  struct bytes rest = environment.content;
  struct msgpack_value key, value;
  while (rest.length > 0 && msgpack_take(&rest, &key) && msgpack_take(&rest, &value)) {
    size_t index = 0;
    while (index < ENVIRONMENT_SETTABLE && !bytes_equal_text(key.content, environment_settable[index])) index++;
    if (index == ENVIRONMENT_SETTABLE || variables[index].is_set) {
      buffer_say(problem, "`env` sets ");
      quote(problem, key.content);
      buffer_say(problem, index == ENVIRONMENT_SETTABLE ? ", which no order may set" : " twice");
      return false;
    }
    variables[index] = (struct variable){true, value.content};
  }
  return true;
}

static bool may_run(const struct permissions *permissions, struct bytes command) {
  if (permissions->of == PERMISSIONS_OF_REPLAY) return bytes_equal_text(command, "DEL") || bytes_equal_text(command, "VERSION");
  if (permissions->of == PERMISSIONS_OF_CALL) {
    /* A failed ADD runs DELs to undo its work, and a GC deletes stale attachments. VERSION is permitted at any time. */
    return bytes_equal_text(command, permissions->call->command) || bytes_equal_text(command, "VERSION") ||
           (bytes_equal_text(command, "DEL") && (is_call(permissions, "ADD") || is_call(permissions, "GC")));
  }
  static const char *const commands[] = {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"};
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (bytes_equal_text(command, commands[i])) return true;
  }
  return false;
}

static bool check_command(const struct permissions *permissions, const struct variable *command, struct buffer *problem) {
  if (!command->is_set) {
    buffer_say(problem, "`env` does not set CNI_COMMAND");
    return false;
  }
  if (may_run(permissions, command->value)) return true;
  say_setting(problem, ENVIRONMENT_COMMAND, command->value);
  buffer_say(problem, ", which ");
  if (permissions->of == PERMISSIONS_OF_AGENT) {
    buffer_say(problem, "is no command of a plugin");
  } else {
    say_foreign(permissions, problem);
  }
  return false;
}

static bool has_form(struct bytes value, bool (*is_form)(const char *text)) {
  char *text = bytes_copy_text(value);
  bool has = is_form(text);
  free(text);
  return has;
}

static bool check_container(const struct permissions *permissions, struct bytes container_id, struct buffer *problem) {
  const struct request *call = permissions->call;
  const char *reason = NULL;
  if (container_id.length == 0) return true;
  if (call != NULL && !is_call(permissions, "GC")) {
    bool is_own = request_has_attachment(call) && bytes_equal_text(container_id, call->container_id);
    reason = is_own ? NULL : ", which is not the container of the runtime's call";
  } else if (!has_form(container_id, request_is_container_id)) {
    reason = ", which is no container id";
  } else if (call != NULL && !permissions->has_valid_containers) {
    reason = ", but the runtime has not said which containers are valid";
  } else if (call != NULL && buffer_has_text(&permissions->valid_containers, container_id)) {
    reason = ", which the runtime counts valid";
  }
  if (reason == NULL) return true;
  say_setting(problem, ENVIRONMENT_CONTAINER_ID, container_id);
  buffer_say(problem, reason);
  return false;
}

static bool check_if_name(struct bytes if_name, struct buffer *problem) {
  if (if_name.length == 0 || has_form(if_name, request_is_if_name)) return true;
  say_setting(problem, ENVIRONMENT_IF_NAME, if_name);
  buffer_say(problem, ", which is not the name of an interface");
  return false;
}

/* In a call an order may only name the namespace of the runtime's call, which needs no further check. NULL: permitted, else the reason. */
static const char *refusal_in_call(const struct request *call, struct bytes netns) {
  bool is_own = request_has_attachment(call) && bytes_equal_text(netns, call->netns);
  return is_own ? NULL : "is not the network namespace of the runtime's call";
}

/* The same for a GC, which has no namespace of its own; the attachments that it deletes had one each. */
static const char *refusal_in_gc(struct bytes netns, bool *is_gone) {
  char *path = bytes_copy_text(netns);
  enum netns_use use = netns_use_of(path);
  free(path);
  switch (use) {
    case NETNS_GONE:
      *is_gone = true;
      return NULL;
    case NETNS_LEFT:
      return NULL;
    case NETNS_OWN:
      return "is the plugin's own network namespace";
    case NETNS_INDIRECT:
      return "leads to a network namespace through a symbolic link";
    case NETNS_BUSY:
      break;
  }
  return "is a network namespace in which processes run";
}

/* The same for an agent. A missing path is permitted: the plugin, or the look for a link, reports it. `may_be_left`: an ordinary file is
 * permitted, too, which a runtime leaves in place of a namespace. */
static const char *refusal_in_agent(struct bytes netns, bool may_be_left) {
  char *path = bytes_copy_text(netns);
  enum netns_use use = netns_place_of(path);
  bool is_other_file = use == NETNS_GONE && access(path, F_OK) == 0;
  free(path);
  if (use == NETNS_OWN) return "is the agent's own network namespace";
  return is_other_file && !may_be_left ? "is no network namespace" : NULL;
}

/* Is what is at the path still the namespace of a recorded DEL, and left to it? The daemon names both: one in which processes run may be a running pod's. */
static bool is_left(struct bytes netns, const struct netns_identity *recorded) {
  char *path = bytes_copy_text(netns);
  struct netns_identity now = netns_identify(path);
  bool is = netns_identity_equals(&now, recorded) && netns_use_of(path) == NETNS_LEFT;
  free(path);
  return is;
}

/* `leftNetns` is for DELs that are recorded: the process that stays replays them, and an ADD or DEL of their container does before its own. */
static bool check_left_netns(const struct permissions *permissions, const struct variable *command, struct buffer *problem) {
  bool replays = permissions->of == PERMISSIONS_OF_REPLAY || is_call(permissions, "ADD") || is_call(permissions, "DEL");
  if (replays && bytes_equal_text(command->value, "DEL")) return true;
  buffer_say(problem, "`leftNetns` ");
  if (replays) {
    buffer_say(problem, "belongs to a plugin's DEL only");
  } else {
    say_foreign(permissions, problem);
  }
  return false;
}

static bool check_netns(const struct permissions *permissions, struct order_exec *order, const struct variable *variables,
                        struct buffer *problem) {
  struct bytes netns = variables[ENVIRONMENT_NETNS].value;
  if (order->has_left_netns) {
    if (!check_left_netns(permissions, &variables[ENVIRONMENT_COMMAND], problem)) return false;
    order->without_netns = netns.length > 0 && !is_left(netns, &order->left_netns);
    return true;
  }
  if (netns.length == 0) return true;
  const char *reason;
  if (permissions->of == PERMISSIONS_OF_AGENT) {
    reason = refusal_in_agent(netns, bytes_equal_text(variables[ENVIRONMENT_COMMAND].value, "DEL"));
  } else if (permissions->of == PERMISSIONS_OF_REPLAY) {
    reason = "is given without `leftNetns`";
  } else if (is_call(permissions, "GC")) {
    reason = refusal_in_gc(netns, &order->without_netns);
  } else {
    reason = refusal_in_call(permissions->call, netns);
  }
  if (reason == NULL) return true;
  say_setting(problem, ENVIRONMENT_NETNS, netns);
  buffer_say(problem, ", which ", reason);
  return false;
}

static bool check_path(const struct permissions *permissions, struct bytes path, struct buffer *problem) {
  struct bytes foreign;
  if (plugin_directories_hold(permissions->directories, path, &foreign)) return true;
  buffer_say(problem, "`env` has ");
  quote(problem, foreign);
  buffer_say(problem, " in CNI_PATH, which is no directory that plugins may be in");
  return false;
}

static bool is_printable(struct bytes text) {
  for (size_t i = 0; i < text.length; i++) {
    if (text.data[i] < ' ' || text.data[i] > '~') return false;
  }
  return true;
}

/* version "-" trace id "-" parent id "-" flags; later versions may append more after another "-". */
static bool is_traceparent(struct bytes text) {
  static const char form[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
  if (text.length < TRACEPARENT_BYTES || text.length > TRACEPARENT_MAX_BYTES || !is_printable(text)) return false;
  for (size_t i = 0; i < TRACEPARENT_BYTES; i++) {
    uint8_t byte = text.data[i];
    bool is_digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
    if (form[i] == 'h' ? !is_digit : byte != '-') return false;
  }
  return text.length == TRACEPARENT_BYTES || text.data[TRACEPARENT_BYTES] == '-';
}

static bool check_trace(const struct variable *variables, struct buffer *problem) {
  struct bytes parent = variables[ENVIRONMENT_TRACEPARENT].value, state = variables[ENVIRONMENT_TRACESTATE].value;
  if (parent.length > 0 && !is_traceparent(parent)) {
    say_setting(problem, ENVIRONMENT_TRACEPARENT, parent);
    buffer_say(problem, ", which is no traceparent");
    return false;
  }
  if (state.length <= TRACESTATE_MAX_BYTES && is_printable(state)) return true;
  say_setting(problem, ENVIRONMENT_TRACESTATE, state);
  buffer_say(problem, ", which is no tracestate");
  return false;
}

/* May an order use this namespace without a plugin? */
static bool check_look(const struct permissions *permissions, struct bytes netns, struct buffer *problem) {
  if (permissions->of == PERMISSIONS_OF_REPLAY) {
    buffer_say(problem, "it ");
    say_foreign(permissions, problem);
    return false;
  }
  const char *reason =
      permissions->of == PERMISSIONS_OF_AGENT ? refusal_in_agent(netns, false) : refusal_in_call(permissions->call, netns);
  if (reason == NULL) return true;
  buffer_say(problem, "`netns` ");
  quote(problem, netns);
  buffer_say(problem, " ", reason);
  return false;
}

/* Does the order belong to the command of the runtime's call? An agent does not know the call, so everything belongs there. */
static bool check_call(const struct permissions *permissions, const char *command, struct buffer *problem) {
  if (permissions->of == PERMISSIONS_OF_AGENT || is_call(permissions, command)) return true;
  buffer_say(problem, "it ");
  say_foreign(permissions, problem);
  return false;
}

bool permissions_exec(const struct permissions *permissions, struct order_exec *order, struct buffer *problem) {
  struct variable variables[ENVIRONMENT_SETTABLE] = {0};
  if (!read_variables(order->environment, variables, problem)) return false;
  if (!check_command(permissions, &variables[ENVIRONMENT_COMMAND], problem) ||
      !check_container(permissions, variables[ENVIRONMENT_CONTAINER_ID].value, problem) ||
      !check_if_name(variables[ENVIRONMENT_IF_NAME].value, problem) ||
      !check_path(permissions, variables[ENVIRONMENT_PATH].value, problem) || !check_trace(variables, problem) ||
      !check_netns(permissions, order, variables, problem)) {
    return false;
  }
  if (!order->has_absent_link || permissions_link(permissions, &order->absent_link, problem)) return true;
  buffer_say(problem, " (in `absentLink`)");
  return false;
}

bool permissions_link(const struct permissions *permissions, const struct order_link *order, struct buffer *problem) {
  return check_look(permissions, order->netns, problem);
}

bool permissions_link_states(const struct permissions *permissions, const struct link_states *order, struct buffer *problem) {
  return check_call(permissions, "CHECK", problem) && check_look(permissions, order->netns, problem);
}

bool permissions_default_route(const struct permissions *permissions, const struct default_route *order, struct buffer *problem) {
  return check_call(permissions, "ADD", problem) && check_look(permissions, order->netns, problem);
}
