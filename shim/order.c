/* Bodies of the daemon's frames, taken apart and checked; nothing is carried out here. */
#include "order.h"

#include <string.h>

/* A key of a body, and where its value goes. */
struct field {
  const char *name;
  enum msgpack_kind kind;
  bool optional;
  bool present;
  struct msgpack_value value;
};

static const char *kind_name(enum msgpack_kind kind) {
  switch (kind) {
    case MSGPACK_UNSIGNED:
      return "an unsigned integer";
    case MSGPACK_TEXT:
      return "a string without zero bytes";
    case MSGPACK_BINARY:
      return "binary";
    case MSGPACK_ARRAY:
      return "an array";
    case MSGPACK_MAP:
      return "a map";
    case MSGPACK_BOOLEAN:
      return "a boolean";
    case MSGPACK_NIL:
    case MSGPACK_OTHER:
      break;
  }
  return "of another type";
}

/* A text that may become a C string. */
static bool is_text(struct msgpack_value value) {
  return value.kind == MSGPACK_TEXT && (value.content.length == 0 || memchr(value.content.data, 0, value.content.length) == NULL);
}

static bool has_kind(struct msgpack_value value, enum msgpack_kind kind) {
  return kind == MSGPACK_TEXT ? is_text(value) : value.kind == kind;
}

/* Fills `fields` from a map. Unknown keys are skipped; an optional one may also be nil. */
static bool read_fields(struct msgpack_value body, struct field *fields, size_t count, struct buffer *problem) {
  if (body.kind != MSGPACK_MAP) {
    buffer_say(problem, "the body is not a map");
    return false;
  }
  struct bytes rest = body.content;
  struct msgpack_value key, value;
  while (rest.length > 0 && msgpack_take(&rest, &key) && msgpack_take(&rest, &value)) {
    if (key.kind != MSGPACK_TEXT) {
      buffer_say(problem, "a key is not a string");
      return false;
    }
    for (size_t i = 0; i < count; i++) {
      if (!bytes_equal_text(key.content, fields[i].name)) continue;
      if (fields[i].optional && value.kind == MSGPACK_NIL) {
        fields[i].present = false;
      } else if (has_kind(value, fields[i].kind)) {
        fields[i].present = true;
        fields[i].value = value;
      } else {
        buffer_say(problem, "`", fields[i].name, "` is not ", kind_name(fields[i].kind));
        return false;
      }
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (fields[i].present || fields[i].optional) continue;
    buffer_say(problem, "`", fields[i].name, "` is missing");
    return false;
  }
  return true;
}

/* Is this the name of something in a map of environment variables? */
static bool is_variable_name(struct msgpack_value key) {
  return is_text(key) && key.content.length > 0 && memchr(key.content.data, '=', key.content.length) == NULL;
}

static bool check_environment(struct msgpack_value environment, struct buffer *problem) {
  if (environment.number > ORDER_MAX_ENVIRONMENT) {
    buffer_say(problem, "`env` has too many entries");
    return false;
  }
  struct bytes rest = environment.content;
  struct msgpack_value key, value;
  while (rest.length > 0 && msgpack_take(&rest, &key) && msgpack_take(&rest, &value)) {
    if (!is_variable_name(key) || !is_text(value)) {
      buffer_say(problem, "`env` has an entry that is no environment variable");
      return false;
    }
  }
  return true;
}

bool order_read_link(struct msgpack_value body, struct order_link *order, struct buffer *problem) {
  struct field fields[] = {
      {.name = "netns", .kind = MSGPACK_TEXT},
      {.name = "ifName", .kind = MSGPACK_TEXT},
  };
  if (!read_fields(body, fields, 2, problem)) return false;
  order->netns = fields[0].value.content;
  order->if_name = fields[1].value.content;
  if (order->netns.length == 0) {
    buffer_say(problem, "`netns` is empty");
    return false;
  }
  if (order->if_name.length == 0 || order->if_name.length > ORDER_MAX_IF_NAME) {
    buffer_say(problem, "`ifName` is not 1 to 15 bytes long");
    return false;
  }
  return true;
}

bool order_read_exec(struct msgpack_value body, struct order_exec *order, struct buffer *problem) {
  struct field fields[] = {
      {.name = "plugin", .kind = MSGPACK_TEXT},   {.name = "path", .kind = MSGPACK_TEXT},
      {.name = "env", .kind = MSGPACK_MAP},       {.name = "stdin", .kind = MSGPACK_BINARY},
      {.name = "timeoutMs", .kind = MSGPACK_UNSIGNED}, {.name = "absentLink", .kind = MSGPACK_MAP, .optional = true},
  };
  if (!read_fields(body, fields, 6, problem)) return false;
  *order = (struct order_exec){
      .plugin = fields[0].value.content,
      .path = fields[1].value.content,
      .environment = fields[2].value,
      .input = fields[3].value.content,
      .timeout_ms = fields[4].value.number,
      .has_absent_link = fields[5].present,
  };
  if (!check_environment(order->environment, problem)) return false;
  if (order->timeout_ms > UINT32_MAX) {
    buffer_say(problem, "`timeoutMs` is larger than 32 bits");
    return false;
  }
  if (!order->has_absent_link) return true;
  if (order_read_link(fields[5].value, &order->absent_link, problem)) return true;
  buffer_say(problem, " (in `absentLink`)");
  return false;
}

bool order_read_default_route(struct msgpack_value body, struct order_default_route *order, struct buffer *problem) {
  *order = (struct order_default_route){0};
  if (!order_read_link(body, &order->link, problem)) return false;
  struct field fields[] = {
      {.name = "clear", .kind = MSGPACK_ARRAY},
      {.name = "add", .kind = MSGPACK_ARRAY},
  };
  if (!read_fields(body, fields, 2, problem)) return false;
  struct bytes rest = fields[0].value.content;
  struct msgpack_value element;
  while (rest.length > 0 && msgpack_take(&rest, &element)) {
    if (element.kind != MSGPACK_UNSIGNED || (element.number != 4 && element.number != 6)) {
      buffer_say(problem, "`clear` has an element that is neither 4 nor 6");
      return false;
    }
    if (element.number == 4) order->clear_ipv4 = true;
    if (element.number == 6) order->clear_ipv6 = true;
  }
  rest = fields[1].value.content;
  while (rest.length > 0 && msgpack_take(&rest, &element)) {
    if (!is_text(element) || order->gateway_count == ORDER_MAX_GATEWAYS) {
      buffer_say(problem, "`add` has an element that is not a string, or too many");
      return false;
    }
    order->gateways[order->gateway_count++] = element.content;
  }
  return true;
}

bool order_read_reply(struct msgpack_value body, struct order_reply *reply, struct buffer *problem) {
  struct field fields[] = {
      {.name = "exitCode", .kind = MSGPACK_UNSIGNED},
      {.name = "stdout", .kind = MSGPACK_BINARY},
      {.name = "retry", .kind = MSGPACK_BOOLEAN, .optional = true},
  };
  if (!read_fields(body, fields, 3, problem)) return false;
  if (fields[0].value.number > 255) {
    buffer_say(problem, "`exitCode` is larger than 255");
    return false;
  }
  reply->exit_code = (int)fields[0].value.number;
  reply->output = fields[1].value.content;
  reply->retry = fields[2].present && fields[2].value.number != 0;
  return true;
}
