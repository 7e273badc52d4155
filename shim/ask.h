/* Asking the daemon: HELLO, REQUEST, its orders, its REPLY. */
#ifndef MULTUS_ASK_H
#define MULTUS_ASK_H

#include "request.h"
#include "serve.h"

/* Appends HELLO. `role` is "plugin", "agent" or "probe"; `question` is a probe's, NULL for the others. */
void ask_append_hello(struct buffer *out, const char *role, const char *question);

/* Brings a request over a fresh connection, carries out what is ordered for it from these directories, and closes the connection.
 * `tries_left`: 0 for a runtime's call; of a recorded DEL how often it may still be tried, this time included. */
struct serve_result ask_daemon(int fd, const struct request *request, const struct plugin_directories *directories,
                               const struct signals *signals, unsigned tries_left);

#endif
