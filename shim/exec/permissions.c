/* Decides which orders are permitted in one call (docs/wire.md, "What the shim refuses"). */
#include "exec/permissions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "net/netns.h"

enum {
  /* Bytes of a daemon's value that a message quotes. */
  QUOTED_MAX_BYTES = 200,
  /* W3C Trace Context: the exact length of a traceparent of version 00; later versions may append to it. */
  TRACEPARENT_BYTES = 55,
  TRACEPARENT_MAX_BYTES = 512,
  TRACESTATE_MAX_BYTES = 4096,
};

/* Appends the text before the value, the value in quotes, and the text behind it. Returns false. */
static bool refuse(struct buffer *problem, const char *before, struct bytes value, const char *behind) {
  bool is_long = value.length > QUOTED_MAX_BYTES;
  if (is_long) value.length = QUOTED_MAX_BYTES;
  return problem_say(problem, "%s\"%.*s%s\"%s", before, BYTES_TEXT(value), is_long ? "…" : "", behind);
}

/* Appends "`env` sets NAME to "value"", and the text behind it. Returns false. */
static bool refuse_setting(struct buffer *problem, size_t index, const struct variable *variables, const char *behind) {
  buffer_say(problem, "`env` sets ", environment_settable[index], " to ");
  return refuse(problem, "", variables[index].value, behind);
}

struct permissions permissions_of_call(const struct request *call, const struct plugin_directories *directories) {
  struct permissions permissions = {
      .of = PERMISSIONS_OF_CALL, .directories = directories, .call = call, .environment_base = ENVIRONMENT_OF_RUNTIME};
  if (strcmp(call->command, "GC") != 0) return permissions;
  /* CNI spec 1.1.0, "GC". libcni sends the list under both keys, and null where it is empty. */
  struct json_wanted lists[] = {{.key = "cni.dev/valid-attachments"}, {.key = "cni.dev/attachments"}};
  size_t count;
  json_find(buffer_bytes(&call->config), lists, COUNT_OF(lists));
  for (size_t i = 0; i < COUNT_OF(lists); i++) {
    if (lists[i].has_null) permissions.has_valid_containers = true;
    if (!lists[i].found) continue;
    permissions.has_valid_containers = json_read_strings(lists[i].value, "containerID", &permissions.valid_containers, &count);
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

/* Says that the order does not belong to the runtime's DEL, or to what else the orders belong to. Returns false. */
static bool refuse_foreign(const struct permissions *permissions, const char *what, struct buffer *problem) {
  static const char *const others[] = {
      [PERMISSIONS_OF_CALL] = "the runtime's ", [PERMISSIONS_OF_REPLAY] = "the replay of recorded DELs", [PERMISSIONS_OF_AGENT] = "an agent"};
  const char *command = permissions->of == PERMISSIONS_OF_CALL ? permissions->call->command : "";
  return problem_say(problem, "%s does not belong to %s%s", what, others[permissions->of], command);
}

static bool read_variables(struct bytes environment, struct variable *variables, struct buffer *problem) {
  struct msgpack_value key, value;
  while (msgpack_take(&environment, &key) && msgpack_take(&environment, &value)) {
    size_t index = environment_index(key.content);
    if (index == ENVIRONMENT_SETTABLE) return refuse(problem, "`env` sets ", key.content, ", which no order may set");
    if (variables[index].is_set) return refuse(problem, "`env` sets ", key.content, " twice");
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

static bool check_command(const struct permissions *permissions, const struct variable *variables, struct buffer *problem) {
  const struct variable *command = &variables[ENVIRONMENT_COMMAND];
  if (!command->is_set) return problem_say(problem, "`env` does not set CNI_COMMAND");
  if (may_run(permissions, command->value)) return true;
  if (permissions->of == PERMISSIONS_OF_AGENT) return refuse_setting(problem, ENVIRONMENT_COMMAND, variables, ", which is no command of a plugin");
  (void)refuse_setting(problem, ENVIRONMENT_COMMAND, variables, ", which");
  return refuse_foreign(permissions, "", problem);
}

static bool has_form(struct bytes value, bool (*is_form)(const char *text)) {
  char *text = bytes_copy_text(value);
  bool has = is_form(text);
  free(text);
  return has;
}

static bool check_container(const struct permissions *permissions, const struct variable *variables, struct buffer *problem) {
  const struct request *call = permissions->call;
  struct bytes container_id = variables[ENVIRONMENT_CONTAINER_ID].value;
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
  return reason == NULL || refuse_setting(problem, ENVIRONMENT_CONTAINER_ID, variables, reason);
}

/* In a call an order may only name the namespace of the runtime's call, which needs no further check. NULL: permitted, else the reason. */
static const char *refusal_in_call(const struct request *call, const char *path) {
  bool is_own = request_has_attachment(call) && strcmp(path, call->netns) == 0;
  return is_own ? NULL : "is not the network namespace of the runtime's call";
}

/* The same for a GC, which has no namespace of its own; the attachments that it deletes had one each. */
static const char *refusal_in_gc(const char *path, bool *is_gone) {
  static const char *const reasons[] = {
      [NETNS_GONE] = NULL,
      [NETNS_LEFT] = NULL,
      [NETNS_OWN] = "is the plugin's own network namespace",
      [NETNS_INDIRECT] = "leads to a network namespace through a symbolic link",
      [NETNS_BUSY] = "is a network namespace in which processes run",
  };
  enum netns_use use = netns_use_of(path);
  *is_gone = use == NETNS_GONE;
  return reasons[use];
}

/* The same for an agent. A missing path is permitted: the plugin, or the look for a link, reports it. `may_be_left`: an ordinary file is
 * permitted, too, which a runtime leaves in place of a namespace. */
static const char *refusal_in_agent(const char *path, bool may_be_left) {
  enum netns_use use = netns_place_of(path);
  if (use == NETNS_OWN) return "is the agent's own network namespace";
  return use == NETNS_GONE && access(path, F_OK) == 0 && !may_be_left ? "is no network namespace" : NULL;
}

/* Is what is at the path still the namespace of a recorded DEL, and left to it? The daemon names both: one in which processes run may be a running pod's. */
static bool is_left(const char *path, const struct netns_identity *recorded) {
  struct netns_identity now = netns_identify(path);
  return netns_identity_equals(&now, recorded) && netns_use_of(path) == NETNS_LEFT;
}

/* `leftNetns` is for DELs that are recorded: the process that stays replays them, and an ADD or DEL of their container does before its own. */
static bool check_left_netns(const struct permissions *permissions, bool is_del, struct buffer *problem) {
  bool replays = permissions->of == PERMISSIONS_OF_REPLAY || is_call(permissions, "ADD") || is_call(permissions, "DEL");
  if (!replays) return refuse_foreign(permissions, "`leftNetns`", problem);
  return is_del || problem_say(problem, "`leftNetns` belongs to a plugin's DEL only");
}

/* May the plugin have this namespace? `*without`: it gets none. */
static bool check_netns(const struct permissions *permissions, const struct order_exec *order, const struct variable *variables, bool *without,
                        struct buffer *problem) {
  bool is_del = bytes_equal_text(variables[ENVIRONMENT_COMMAND].value, "DEL");
  if (order->has_left_netns && !check_left_netns(permissions, is_del, problem)) return false;
  if (variables[ENVIRONMENT_NETNS].value.length == 0) return true;
  const char *reason = NULL;
  char *path = bytes_copy_text(variables[ENVIRONMENT_NETNS].value);
  if (order->has_left_netns) {
    *without = !is_left(path, &order->left_netns);
  } else if (permissions->of == PERMISSIONS_OF_AGENT) {
    reason = refusal_in_agent(path, is_del);
  } else if (permissions->of == PERMISSIONS_OF_REPLAY) {
    reason = "is given without `leftNetns`";
  } else if (is_call(permissions, "GC")) {
    reason = refusal_in_gc(path, without);
  } else {
    reason = refusal_in_call(permissions->call, path);
  }
  free(path);
  if (reason == NULL) return true;
  (void)refuse_setting(problem, ENVIRONMENT_NETNS, variables, ", which ");
  return problem_say(problem, "%s", reason);
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

/* May an order use this namespace without a plugin? */
static bool check_look(const struct permissions *permissions, struct bytes netns, struct buffer *problem) {
  if (permissions->of == PERMISSIONS_OF_REPLAY) return refuse_foreign(permissions, "it", problem);
  char *path = bytes_copy_text(netns);
  const char *reason = permissions->of == PERMISSIONS_OF_AGENT ? refusal_in_agent(path, false) : refusal_in_call(permissions->call, path);
  free(path);
  if (reason == NULL) return true;
  (void)refuse(problem, "`netns` ", netns, " ");
  return problem_say(problem, "%s", reason);
}

/* Does the order belong to the command of the runtime's call? An agent does not know the call, so everything belongs there. */
static bool check_call(const struct permissions *permissions, const char *command, struct buffer *problem) {
  return permissions->of == PERMISSIONS_OF_AGENT || is_call(permissions, command) || refuse_foreign(permissions, "it", problem);
}

bool permissions_exec(const struct permissions *permissions, const struct order_exec *order, struct variable *variables, struct buffer *problem) {
  struct bytes foreign;
  bool without_netns = false;
  if (!read_variables(order->environment.content, variables, problem) || !check_command(permissions, variables, problem) ||
      !check_container(permissions, variables, problem)) {
    return false;
  }
  struct bytes if_name = variables[ENVIRONMENT_IF_NAME].value, parent = variables[ENVIRONMENT_TRACEPARENT].value;
  struct bytes state = variables[ENVIRONMENT_TRACESTATE].value;
  if (if_name.length > 0 && !has_form(if_name, request_is_if_name)) {
    return refuse_setting(problem, ENVIRONMENT_IF_NAME, variables, ", which is not the name of an interface");
  }
  if (!plugin_directories_hold(permissions->directories, variables[ENVIRONMENT_PATH].value, &foreign)) {
    return refuse(problem, "`env` has ", foreign, " in CNI_PATH, which is no directory that plugins may be in");
  }
  if (parent.length > 0 && !is_traceparent(parent)) return refuse_setting(problem, ENVIRONMENT_TRACEPARENT, variables, ", which is no traceparent");
  if (state.length > TRACESTATE_MAX_BYTES || !is_printable(state)) {
    return refuse_setting(problem, ENVIRONMENT_TRACESTATE, variables, ", which is no tracestate");
  }
  if (!check_netns(permissions, order, variables, &without_netns, problem)) return false;
  if (without_netns) variables[ENVIRONMENT_NETNS].value.length = 0;
  if (!order->has_absent_link || permissions_link(permissions, &order->absent_link, problem)) return true;
  return problem_say(problem, " (in `absentLink`)");
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

bool permissions_native_links(const struct permissions *permissions, const struct native_links *order, const char *command, struct buffer *problem) {
  if (!is_call(permissions, command)) return refuse_foreign(permissions, "it", problem);
  /* It becomes a part of file names. */
  if (!request_is_container_id(permissions->call->container_id)) return problem_say(problem, "CNI_CONTAINERID is not valid");
  return order->netns.length == 0 || check_look(permissions, order->netns, problem);
}
