/* DONE frames: the answers to orders. */
#pragma once

#include "net/native_links.h"
#include "wire/connection.h"

/* Answers an order that was not carried out. `code`: see the table in docs/wire.md. */
void done_error(struct connection *connection, uint32_t id, const char *code, const char *message);

/* How a plugin has ended. */
struct done_exec {
  int exit_code;
  /* 0 if none ended it. */
  int signal;
  /* From start to end. */
  uint64_t micros;
  /* "" if not asked for or unknown. */
  const char *file_state;
  struct bytes stderr_tail;
  struct bytes output;
};
void done_exec(struct connection *connection, uint32_t id, const struct done_exec *end);

void done_link_exists(struct connection *connection, uint32_t id, bool exists);
void done_link_states(struct connection *connection, uint32_t id, const struct link_states *states);
void done_attach_links(struct connection *connection, uint32_t id, const struct native_links *made);
void done_nothing_to_say(struct connection *connection, uint32_t id);
