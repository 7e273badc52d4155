/* DONE frames: the answers to orders. */
#pragma once

#include "wire/connection.h"
#include "net/link_states.h"

/* Answers an order that was not carried out. `code`: see the table in docs/wire.md. */
void done_error(struct connection *connection, uint32_t id, const char *code, const char *message);

/* Answers an EXEC whose plugin has ended. Takes ownership of `output`. `signal`: 0 if none ended it. `file_state`: "" if not asked for or unknown. */
void done_exec(struct connection *connection, uint32_t id, int exit_code, int signal, uint64_t micros, struct bytes stderr_tail,
               const char *file_state, struct buffer *output);

void done_link_exists(struct connection *connection, uint32_t id, bool exists);
void done_link_states(struct connection *connection, uint32_t id, const struct link_states *states);
void done_nothing_to_say(struct connection *connection, uint32_t id);
