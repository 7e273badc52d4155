/* Parses and checks the bodies of the daemon's frames. */
#include "wire/order.h"

#include <string.h>

static bool check_environment(struct msgpack_value environment, struct buffer *problem) {
  struct msgpack_value key, value;
  if (environment.number > ORDER_MAX_ENVIRONMENT) return problem_say(problem, "`env` has too many entries");
  while (msgpack_take(&environment.content, &key) && msgpack_take(&environment.content, &value)) {
    bool is_name = msgpack_is_text(key) && key.content.length > 0 && memchr(key.content.data, '=', key.content.length) == NULL;
    if (!is_name || !msgpack_is_text(value)) return problem_say(problem, "`env` has an entry that is no environment variable");
  }
  return true;
}

static bool check_if_name(struct bytes if_name, struct buffer *problem) {
  return (if_name.length > 0 && if_name.length <= ORDER_MAX_IF_NAME) || problem_say(problem, "`ifName` is not 1 to 15 bytes long");
}

static bool check_netns(struct bytes netns, struct buffer *problem) { return netns.length > 0 || problem_say(problem, "`netns` is empty"); }

bool order_read_link(struct msgpack_value body, struct order_link *order, struct buffer *problem) {
  struct field fields[] = {{.name = "netns", .kind = MSGPACK_TEXT}, {.name = "ifName", .kind = MSGPACK_TEXT}};
  if (!fields_read(body, fields, COUNT_OF(fields), problem)) return false;
  *order = (struct order_link){fields[0].value.content, fields[1].value.content};
  return check_netns(order->netns, problem) && check_if_name(order->if_name, problem);
}

static bool read_left_netns(struct msgpack_value body, struct netns_identity *netns, struct buffer *problem) {
  struct field fields[] = {
      {.name = "bootId", .kind = MSGPACK_TEXT},
      {.name = "device", .kind = MSGPACK_UNSIGNED},
      {.name = "inode", .kind = MSGPACK_UNSIGNED},
      {.name = "cookie", .kind = MSGPACK_UNSIGNED},
  };
  if (!fields_read(body, fields, COUNT_OF(fields), problem)) return false;
  struct bytes boot_id = fields[0].value.content;
  *netns = (struct netns_identity){.device = fields[1].value.number, .inode = fields[2].value.number, .cookie = fields[3].value.number};
  if (boot_id.length >= sizeof netns->boot_id) return problem_say(problem, "`bootId` is too long");
  if (boot_id.length > 0) memcpy(netns->boot_id, boot_id.data, boot_id.length);
  return true;
}

bool order_read_exec(struct msgpack_value body, struct order_exec *order, struct buffer *problem) {
  struct field fields[] = {
      {.name = "plugin", .kind = MSGPACK_TEXT},
      {.name = "path", .kind = MSGPACK_TEXT},
      {.name = "env", .kind = MSGPACK_MAP},
      {.name = "stdin", .kind = MSGPACK_BINARY},
      {.name = "timeoutMs", .kind = MSGPACK_UNSIGNED},
      {.name = "absentLink", .kind = MSGPACK_MAP, .optional = true},
      {.name = "fileState", .kind = MSGPACK_TEXT, .optional = true},
      {.name = "leftNetns", .kind = MSGPACK_MAP, .optional = true},
  };
  if (!fields_read(body, fields, COUNT_OF(fields), problem)) return false;
  *order = (struct order_exec){
      .plugin = fields[0].value.content,
      .path = fields[1].value.content,
      .environment = fields[2].value,
      .input = fields[3].value.content,
      .timeout_ms = fields[4].value.number,
      .has_absent_link = fields[5].present,
      .has_file_state = fields[6].present,
      .file_state = fields[6].value.content,
      .has_left_netns = fields[7].present,
  };
  if (!check_environment(order->environment, problem)) return false;
  if (order->timeout_ms > UINT32_MAX) return problem_say(problem, "`timeoutMs` is larger than 32 bits");
  if (order->has_left_netns && !read_left_netns(fields[7].value, &order->left_netns, problem)) return problem_say(problem, " (in `leftNetns`)");
  if (order->has_absent_link && !order_read_link(fields[5].value, &order->absent_link, problem)) return problem_say(problem, " (in `absentLink`)");
  return true;
}

bool order_read_after(struct msgpack_value body, struct order_after *after, struct buffer *problem) {
  struct field field = {.name = "after", .kind = MSGPACK_UNSIGNED, .optional = true};
  if (!fields_read(body, &field, 1, problem)) return false;
  *after = (struct order_after){.present = field.present, .id = (uint32_t)field.value.number};
  return field.value.number <= UINT32_MAX || problem_say(problem, "`after` is larger than 32 bits");
}

bool order_read_default_route(struct msgpack_value body, struct default_route *order, struct buffer *problem) {
  struct order_link link;
  struct field fields[] = {{.name = "clear", .kind = MSGPACK_ARRAY}, {.name = "add", .kind = MSGPACK_ARRAY}};
  if (!order_read_link(body, &link, problem) || !fields_read(body, fields, COUNT_OF(fields), problem)) return false;
  *order = (struct default_route){.netns = link.netns, .if_name = link.if_name};
  struct bytes clear = fields[0].value.content, add = fields[1].value.content;
  struct msgpack_value element;
  while (msgpack_take(&clear, &element)) {
    if (element.kind != MSGPACK_UNSIGNED || (element.number != 4 && element.number != 6)) {
      return problem_say(problem, "`clear` has an element that is neither 4 nor 6");
    }
    *(element.number == 4 ? &order->clear_ipv4 : &order->clear_ipv6) = true;
  }
  while (msgpack_take(&add, &element)) {
    if (!msgpack_is_text(element) || order->gateway_count == DEFAULT_ROUTE_MAX_GATEWAYS) {
      return problem_say(problem, "`add` has an element that is not a string, or too many");
    }
    order->gateways[order->gateway_count++] = element.content;
  }
  return true;
}

/* Reads one link of a LINK_STATES, and the addresses that it should have. */
static bool read_expected_link(struct msgpack_value element, struct link_states *states, struct buffer *problem) {
  struct field fields[] = {{.name = "ifName", .kind = MSGPACK_TEXT}, {.name = "addresses", .kind = MSGPACK_ARRAY}};
  if (!fields_read(element, fields, COUNT_OF(fields), problem)) return false;
  struct seen_link *link = &states->list[states->count];
  *link = (struct seen_link){.if_name = fields[0].value.content};
  if (!check_if_name(link->if_name, problem)) return false;
  struct msgpack_value addresses = fields[1].value, text;
  if (addresses.number > LINK_STATES_MAX_ADDRESSES) return problem_say(problem, "`addresses` has too many elements");
  while (msgpack_take(&addresses.content, &text)) {
    struct expected_address expected = {.link = (uint16_t)states->count, .place = (uint8_t)link->address_count++};
    if (!msgpack_is_text(text) || !ip_address_read(text.content, &expected.address)) {
      return problem_say(problem, "`addresses` has an element that is not an address");
    }
    buffer_append(&states->addresses, &expected, sizeof expected);
  }
  states->count++;
  return true;
}

bool order_read_link_states(struct msgpack_value body, struct link_states *states, struct buffer *problem) {
  struct field fields[] = {{.name = "netns", .kind = MSGPACK_TEXT}, {.name = "links", .kind = MSGPACK_ARRAY}};
  if (!fields_read(body, fields, COUNT_OF(fields), problem)) return false;
  struct msgpack_value links = fields[1].value, element;
  states->netns = fields[0].value.content;
  if (!check_netns(states->netns, problem)) return false;
  if (links.number == 0 || links.number > ORDER_MAX_LINKS) return problem_say(problem, "`links` has no elements, or too many");
  states->list = memory_take(links.number * sizeof states->list[0]);
  while (msgpack_take(&links.content, &element)) {
    if (!read_expected_link(element, states, problem)) return problem_say(problem, " (in `links`)");
  }
  return true;
}

bool order_read_reply(struct msgpack_value body, struct order_reply *reply, struct buffer *problem) {
  struct field fields[] = {
      {.name = "exitCode", .kind = MSGPACK_UNSIGNED},
      {.name = "stdout", .kind = MSGPACK_BINARY},
      {.name = "retry", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "record", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "tell", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "againMs", .kind = MSGPACK_UNSIGNED, .optional = true},
  };
  if (!fields_read(body, fields, COUNT_OF(fields), problem)) return false;
  if (fields[0].value.number > 255) return problem_say(problem, "`exitCode` is larger than 255");
  if (fields[5].value.number > UINT32_MAX) return problem_say(problem, "`againMs` is larger than 32 bits");
  *reply = (struct order_reply){
      .exit_code = (int)fields[0].value.number,
      .output = fields[1].value.content,
      .retry = fields[2].value.number != 0,
      .record = fields[3].value.number != 0,
      .tell = fields[4].value.number != 0,
      .has_again = fields[5].present,
      .again_ms = (uint32_t)fields[5].value.number,
  };
  return true;
}
