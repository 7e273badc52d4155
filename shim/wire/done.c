/* DONE frames: the answers to orders. */
#include "wire/done.h"

/* Starts a DONE with a body of `pairs`. */
static size_t begin(struct buffer *frame, uint32_t id, uint32_t pairs) {
  size_t at = frame_begin(frame, FRAME_DONE, id);
  msgpack_put_map(frame, pairs);
  return at;
}

static void finish(struct connection *connection, struct buffer *frame, size_t at) {
  struct buffer nothing = {0};
  frame_end(frame, at, 0);
  connection_queue(connection, frame, &nothing);
}

void done_error(struct connection *connection, uint32_t id, const char *code, const char *message) {
  struct buffer frame = {0};
  size_t at = begin(&frame, id, 2);
  msgpack_put_text(&frame, "error");
  msgpack_put_text(&frame, code);
  msgpack_put_text(&frame, "message");
  msgpack_put_text(&frame, message);
  finish(connection, &frame, at);
}

void done_exec(struct connection *connection, uint32_t id, int exit_code, int signal, uint64_t micros, struct bytes stderr_tail,
               const char *file_state, struct buffer *output) {
  struct buffer frame = {0};
  uint32_t pairs = 3;
  if (signal != 0) pairs++;
  if (stderr_tail.length > 0) pairs++;
  if (file_state[0] != '\0') pairs++;
  size_t at = begin(&frame, id, pairs);
  msgpack_put_text(&frame, "exitCode");
  msgpack_put_unsigned(&frame, (uint64_t)exit_code);
  if (signal != 0) {
    msgpack_put_text(&frame, "signal");
    msgpack_put_unsigned(&frame, (uint64_t)signal);
  }
  if (file_state[0] != '\0') {
    msgpack_put_text(&frame, "fileState");
    msgpack_put_text(&frame, file_state);
  }
  msgpack_put_text(&frame, "micros");
  msgpack_put_unsigned(&frame, micros);
  if (stderr_tail.length > 0) {
    msgpack_put_text(&frame, "stderrTail");
    msgpack_put_binary_head(&frame, stderr_tail.length);
    buffer_append_bytes(&frame, stderr_tail);
  }
  msgpack_put_text(&frame, "stdout");
  msgpack_put_binary_head(&frame, output->length);
  frame_end(&frame, at, output->length);
  connection_queue(connection, &frame, output);
}

void done_link_exists(struct connection *connection, uint32_t id, bool exists) {
  struct buffer frame = {0};
  size_t at = begin(&frame, id, 1);
  msgpack_put_text(&frame, "exists");
  msgpack_put_boolean(&frame, exists);
  finish(connection, &frame, at);
}

static uint32_t absent_count(const struct seen_link *state) {
  uint32_t count = 0;
  for (size_t i = 0; i < state->address_count; i++) count += (state->present >> i & 1) == 0;
  return count;
}

static void put_seen_link(struct buffer *frame, const struct seen_link *state) {
  bool exists = state->link.index != 0;
  msgpack_put_map(frame, exists ? 3 : 1);
  msgpack_put_text(frame, "exists");
  msgpack_put_boolean(frame, exists);
  if (!exists) return;
  msgpack_put_text(frame, "mac");
  msgpack_put_binary_head(frame, state->link.address_length);
  buffer_append(frame, state->link.address, state->link.address_length);
  msgpack_put_text(frame, "absent");
  msgpack_put_array(frame, absent_count(state));
  for (size_t i = 0; i < state->address_count; i++) {
    if ((state->present >> i & 1) == 0) msgpack_put_unsigned(frame, i);
  }
}

void done_link_states(struct connection *connection, uint32_t id, const struct link_states *states) {
  struct buffer frame = {0};
  size_t at = begin(&frame, id, 1);
  msgpack_put_text(&frame, "links");
  msgpack_put_array(&frame, (uint32_t)states->count);
  for (size_t i = 0; i < states->count; i++) put_seen_link(&frame, &states->list[i]);
  finish(connection, &frame, at);
}

void done_nothing_to_say(struct connection *connection, uint32_t id) {
  struct buffer frame = {0};
  finish(connection, &frame, begin(&frame, id, 0));
}
