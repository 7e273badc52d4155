/* Target: `env` of an EXEC, whether it is permitted, and the environment that becomes of it (shim/wire/order.c, shim/exec/permissions.c, environment.c). */
#include "exec/environment.h"

#include <stdlib.h>
#include <string.h>

#include "wire/order.h"
#include "exec/permissions.h"
#include "target.h"

static void seed(struct buffer *out, uint64_t which) {
  bool is_permitted = which % 3 != 0;
  msgpack_put_map(out, is_permitted ? 4 : 6);
  msgpack_put_pair(out, "CNI_COMMAND", which % 2 == 0 ? "ADD" : "DEL");
  msgpack_put_pair(out, "CNI_ARGS", "IgnoreUnknown=true;K8S_POD_NAME=pod-with-a-name-that-is-longer-than-thirty-one-bytes");
  msgpack_put_pair(out, "CNI_CONTAINERID", "");
  msgpack_put_pair(out, "TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  if (is_permitted) return;
  msgpack_put_pair(out, "CNI_COMMAND", "CHECK");
  msgpack_put_pair(out, "LD_PRELOAD", "/x.so");
}

static size_t name_length(const char *entry) { return strcspn(entry, "="); }

static void check_environment(const struct environment *environment) {
  for (char **entry = environment->list; *entry != NULL; entry++) {
    size_t length = name_length(*entry);
    touch(bytes_of_text(*entry));
    MUST(length > 0 && (*entry)[length] == '=');
    /* A program takes the first or the last of two: which one must not be left to it. */
    for (char **later = entry + 1; *later != NULL; later++) {
      MUST(name_length(*later) != length || strncmp(*entry, *later, length) != 0);
    }
  }
}

/* Any order: an ADD, a GC, the process that stays or an agent permits it and has an environment for it, or says why not. */
static void check_permissions(const struct order_exec *order) {
  static const struct plugin_directories no_directories;
  struct request calls[] = {
      {.command = "ADD", .container_id = "c", .netns = "/nowhere", .if_name = "eth0"},
      {.command = "GC", .container_id = "", .netns = "", .if_name = ""},
  };
  for (size_t i = 0; i < 8; i++) {
    struct permissions permissions = i / 2 < 2    ? permissions_of_call(&calls[i / 2], &no_directories)
                                     : i / 2 == 2 ? permissions_of_replay(&no_directories)
                                                  : permissions_of_agent(&no_directories, ENVIRONMENT_OF_AGENT);
    struct order_exec checked = *order;
    checked.has_left_netns = i % 2 == 1;
    struct buffer problem = {0};
    struct variable variables[ENVIRONMENT_SETTABLE] = {0};
    bool is_permitted = permissions_exec(&permissions, &checked, variables, &problem);
    MUST(is_permitted == (problem.length == 0));
    if (is_permitted) {
      struct environment environment = environment_make(permissions.environment_base, variables);
      check_environment(&environment);
      environment_free(&environment);
    }
    buffer_free(&problem);
    permissions_free(&permissions);
  }
}

static void check(struct bytes input) {
  if (setenv("CNI_COMMAND", "GC", 1) != 0 || setenv("CNI_NETNS", "/own", 1) != 0 || setenv("OWN", "1", 1) != 0) abort();
  struct buffer body = {0}, problem = {0};
  msgpack_put_map(&body, 5);
  msgpack_put_pair(&body, "plugin", "bridge");
  msgpack_put_pair(&body, "path", "/opt/cni/bin");
  msgpack_put_text(&body, "stdin");
  msgpack_put_binary(&body, bytes_of_text(""));
  msgpack_put_number(&body, "timeoutMs", 1);
  msgpack_put_text(&body, "env");
  buffer_append_bytes(&body, input);
  struct bytes whole = {body.data, body.length};
  struct msgpack_value map;
  struct order_exec order;
  if (msgpack_take(&whole, &map) && order_read_exec(map, &order, &problem)) check_permissions(&order);
  buffer_free(&body);
  buffer_free(&problem);
}

const struct target target_environment = {.name = "environment", .seed = seed, .check = check};
