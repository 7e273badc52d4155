/* DONE frames: the answers to orders. */
#include "wire/done.h"

void done_error(struct connection *connection, uint32_t id, const char *code, const char *message) {
  struct buffer *out = &connection->out;
  size_t begin = frame_begin(out, FRAME_DONE, id, 2);
  msgpack_put_pair(out, "error", code);
  msgpack_put_pair(out, "message", message);
  frame_end(out, begin);
}

void done_exec(struct connection *connection, uint32_t id, const struct done_exec *end) {
  struct buffer *out = &connection->out;
  bool has_state = end->file_state[0] != 0;
  size_t begin = frame_begin(out, FRAME_DONE, id, 3U + (end->signal != 0) + (end->stderr_tail.length > 0) + has_state);
  msgpack_put_number(out, "exitCode", (uint64_t)end->exit_code);
  if (end->signal != 0) msgpack_put_number(out, "signal", (uint64_t)end->signal);
  if (has_state) msgpack_put_pair(out, "fileState", end->file_state);
  msgpack_put_number(out, "micros", end->micros);
  if (end->stderr_tail.length > 0) {
    msgpack_put_text(out, "stderrTail");
    msgpack_put_binary(out, end->stderr_tail);
  }
  msgpack_put_text(out, "stdout");
  msgpack_put_binary(out, end->output);
  frame_end(out, begin);
}

void done_link_exists(struct connection *connection, uint32_t id, bool exists) {
  struct buffer *out = &connection->out;
  size_t begin = frame_begin(out, FRAME_DONE, id, 1);
  msgpack_put_text(out, "exists");
  msgpack_put_boolean(out, exists);
  frame_end(out, begin);
}

static void put_seen_link(struct buffer *out, const struct seen_link *state) {
  bool exists = state->link.index != 0;
  uint32_t absent = 0;
  msgpack_put_map(out, exists ? 3 : 1);
  msgpack_put_text(out, "exists");
  msgpack_put_boolean(out, exists);
  if (!exists) return;
  msgpack_put_text(out, "mac");
  msgpack_put_binary(out, (struct bytes){state->link.address, state->link.address_length});
  for (size_t i = 0; i < state->address_count; i++) absent += (state->present >> i & 1) == 0;
  msgpack_put_text(out, "absent");
  msgpack_put_array(out, absent);
  for (size_t i = 0; i < state->address_count; i++) {
    if ((state->present >> i & 1) == 0) msgpack_put_unsigned(out, i);
  }
}

void done_link_states(struct connection *connection, uint32_t id, const struct link_states *states) {
  struct buffer *out = &connection->out;
  size_t begin = frame_begin(out, FRAME_DONE, id, 1);
  msgpack_put_text(out, "links");
  msgpack_put_array(out, (uint32_t)states->count);
  for (size_t i = 0; i < states->count; i++) put_seen_link(out, &states->list[i]);
  frame_end(out, begin);
}

static void put_bytes(struct buffer *out, const char *key, const uint8_t *data, size_t length) {
  msgpack_put_text(out, key);
  msgpack_put_binary(out, (struct bytes){data, length});
}

static void put_made_link(struct buffer *out, const struct native_link *link) {
  size_t count;
  const struct native_address *made = native_addresses(&link->made_addresses, &count);
  msgpack_put_map(out, link->kind == NATIVE_BRIDGE ? 6 : native_is_veth(link) ? 5 : 3);
  put_bytes(out, "mac", link->made_mac, sizeof link->made_mac);
  msgpack_put_number(out, "micros", (uint64_t)link->micros);
  msgpack_put_text(out, "addresses");
  msgpack_put_array(out, (uint32_t)count);
  for (size_t i = 0; i < count; i++) {
    msgpack_put_map(out, made[i].gateway.address.length > 0 ? 3 : 2);
    put_bytes(out, "address", made[i].address.bytes, made[i].address.length);
    msgpack_put_number(out, "prefix", made[i].prefix);
    if (made[i].gateway.address.length > 0) put_bytes(out, "gateway", made[i].gateway.address.bytes, made[i].gateway.address.length);
  }
  if (!native_is_veth(link)) return;
  msgpack_put_pair(out, "hostName", link->host_name);
  put_bytes(out, "hostMac", link->host_mac, sizeof link->host_mac);
  if (link->kind == NATIVE_BRIDGE) put_bytes(out, "parentMac", link->parent_mac, sizeof link->parent_mac);
}

void done_attach_links(struct connection *connection, uint32_t id, const struct native_links *made) {
  struct buffer *out = &connection->out;
  size_t begin = frame_begin(out, FRAME_DONE, id, 1);
  msgpack_put_text(out, "links");
  msgpack_put_array(out, (uint32_t)made->count);
  for (size_t i = 0; i < made->count; i++) put_made_link(out, &made->list[i]);
  frame_end(out, begin);
}

void done_nothing_to_say(struct connection *connection, uint32_t id) {
  frame_end(&connection->out, frame_begin(&connection->out, FRAME_DONE, id, 0));
}
