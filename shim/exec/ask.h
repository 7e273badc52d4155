/* One request to the daemon: sends HELLO and REQUEST, carries out the orders, receives the REPLY. */
#pragma once

#include "wire/request.h"
#include "exec/serve.h"

/* Appends HELLO. `role` is "plugin", "agent", "probe" or "replay"; `question` is a probe's, NULL for the others. */
void ask_append_hello(struct buffer *out, const char *role, const char *question);

/* Sends a request over a fresh connection, carries out its orders with plugins from these directories, and closes the connection. */
struct serve_result ask_daemon(int fd, const struct request *request, const struct plugin_directories *directories,
                               const struct signals *signals);

/* The same for the recorded DELs below `cni_dir`, which the daemon replays; `path`: the colon-separated CNI_PATH of the present call. */
struct serve_result ask_for_replay(int fd, const char *cni_dir, const char *path, const struct plugin_directories *directories,
                                   const struct signals *signals);
