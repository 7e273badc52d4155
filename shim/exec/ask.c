/* One request to the daemon: sends HELLO and REQUEST, carries out the orders, receives the REPLY. */
#include "exec/ask.h"

#include <unistd.h>

#include "base/version.h"

enum {
  /* A daemon reads its sockets even under load; one that has read nothing for this long hangs. */
  UNREAD_PATIENCE = 10 * MICROS_PER_SECOND,
};

void ask_append_hello(struct buffer *out, const char *role, const char *question) {
  size_t begin = frame_begin(out, FRAME_HELLO, 0);
  msgpack_put_map(out, question == NULL ? 3 : 4);
  msgpack_put_text(out, "protocol");
  msgpack_put_unsigned(out, FRAME_PROTOCOL);
  msgpack_put_text(out, "version");
  msgpack_put_text(out, version_of_shim);
  msgpack_put_text(out, "role");
  msgpack_put_text(out, role);
  if (question != NULL) {
    msgpack_put_text(out, "question");
    msgpack_put_text(out, question);
  }
  frame_end(out, begin, 0);
}

static void put_directories(struct buffer *out, const struct plugin_directories *directories) {
  struct buffer list = {0};
  plugin_directories_append(directories, &list);
  msgpack_put_text(out, "pluginDirectories");
  msgpack_put_text(out, buffer_text(&list));
  buffer_free(&list);
}

/* A plugin's REQUEST up to the bytes of its config, which the caller sends next. */
static void append_request(struct buffer *out, const struct request *request, const struct plugin_directories *directories) {
  bool is_traced = request->traceparent[0] != 0;
  size_t begin = frame_begin(out, FRAME_REQUEST, 0);
  msgpack_put_map(out, REQUEST_VARIABLES + 2U + (is_traced ? 1 : 0));
  request_put_variables(request, out);
  if (is_traced) {
    msgpack_put_text(out, "traceparent");
    msgpack_put_text(out, request->traceparent);
  }
  put_directories(out, directories);
  msgpack_put_text(out, "config");
  msgpack_put_binary_head(out, request->config.length);
  frame_end(out, begin, request->config.length);
}

/* Sends HELLO and REQUEST, whose last bytes are `payload`, carries out orders, and closes the connection. Takes ownership of both buffers. */
static struct serve_result bring(int fd, struct buffer *hello_and_request, struct buffer *payload, struct permissions *permissions,
                                 const struct signals *signals, int64_t unread_patience) {
  struct connection connection = {.fd = fd};
  connection_queue(&connection, hello_and_request, payload);
  struct serve_result result = serve(&connection, permissions, signals, unread_patience);
  permissions_free(permissions);
  connection_free(&connection);
  (void)close(fd);
  return result;
}

struct serve_result ask_daemon(int fd, const struct request *request, const struct plugin_directories *directories,
                               const struct signals *signals) {
  struct buffer hello_and_request = {0}, config = {0};
  ask_append_hello(&hello_and_request, "plugin", NULL);
  append_request(&hello_and_request, request, directories);
  buffer_append(&config, request->config.data, request->config.length);
  struct permissions permissions = permissions_of_call(request, directories);
  return bring(fd, &hello_and_request, &config, &permissions, signals, request_needs_daemon(request) ? 0 : UNREAD_PATIENCE);
}

struct serve_result ask_for_replay(int fd, const char *cni_dir, const char *path, const struct plugin_directories *directories,
                                   const struct signals *signals) {
  struct buffer hello_and_request = {0}, nothing = {0};
  ask_append_hello(&hello_and_request, "replay", NULL);
  size_t begin = frame_begin(&hello_and_request, FRAME_REQUEST, 0);
  msgpack_put_map(&hello_and_request, 3);
  msgpack_put_text(&hello_and_request, "cniDir");
  msgpack_put_text(&hello_and_request, cni_dir);
  msgpack_put_text(&hello_and_request, "path");
  msgpack_put_text(&hello_and_request, path);
  put_directories(&hello_and_request, directories);
  frame_end(&hello_and_request, begin, 0);
  struct permissions permissions = permissions_of_replay(directories);
  return bring(fd, &hello_and_request, &nothing, &permissions, signals, UNREAD_PATIENCE);
}
