/* One request to the daemon: sends HELLO and REQUEST, carries out the orders, receives the REPLY. */
#include "exec/ask.h"

#include "base/files.h"
#include "base/version.h"

enum {
  /* A daemon reads its sockets even under load; one that has read nothing for this long hangs. */
  UNREAD_PATIENCE = 10 * MICROS_PER_SECOND,
};

void ask_append_hello(struct buffer *out, const char *role, const char *question) {
  size_t begin = frame_begin(out, FRAME_HELLO, 0, question != NULL ? 4 : 5);
  msgpack_put_number(out, "protocol", FRAME_PROTOCOL);
  msgpack_put_pair(out, "version", version_of_shim);
  msgpack_put_pair(out, "role", role);
  if (question != NULL) {
    msgpack_put_pair(out, "question", question);
  } else {
    msgpack_put_text(out, "after");
    msgpack_put_boolean(out, true);
    msgpack_put_text(out, "linksAfter");
    msgpack_put_boolean(out, true);
  }
  frame_end(out, begin);
}

static void put_directories(struct buffer *out, const struct plugin_directories *directories) {
  struct buffer list = {0};
  plugin_directories_append(directories, &list);
  msgpack_put_pair(out, "pluginDirectories", buffer_text(&list));
  buffer_free(&list);
}

/* Sends what is queued, carries out orders, and closes the connection. */
static struct serve_result bring(struct connection *connection, struct permissions permissions, const struct signals *signals, int64_t unread_patience) {
  struct serve_result result = serve(connection, &permissions, signals, unread_patience);
  permissions_free(&permissions);
  connection_free(connection);
  file_close(&connection->fd);
  return result;
}

struct serve_result ask_daemon(int fd, const struct request *request, const struct plugin_directories *directories,
                               const struct signals *signals) {
  struct connection connection = {.fd = fd};
  struct buffer *out = &connection.out;
  bool is_traced = request->traceparent[0] != 0;
  ask_append_hello(out, "plugin", NULL);
  size_t begin = frame_begin(out, FRAME_REQUEST, 0, REQUEST_VARIABLES + 2U + is_traced);
  request_put_variables(request, out);
  if (is_traced) msgpack_put_pair(out, "traceparent", request->traceparent);
  put_directories(out, directories);
  msgpack_put_text(out, "config");
  msgpack_put_binary(out, buffer_bytes(&request->config));
  frame_end(out, begin);
  return bring(&connection, permissions_of_call(request, directories), signals, request_needs_daemon(request) ? 0 : UNREAD_PATIENCE);
}

struct serve_result ask_for_replay(int fd, const char *cni_dir, const char *path, const struct plugin_directories *directories,
                                   const struct signals *signals) {
  struct connection connection = {.fd = fd};
  struct buffer *out = &connection.out;
  ask_append_hello(out, "replay", NULL);
  size_t begin = frame_begin(out, FRAME_REQUEST, 0, 3);
  msgpack_put_pair(out, "cniDir", cni_dir);
  msgpack_put_pair(out, "path", path);
  put_directories(out, directories);
  frame_end(out, begin);
  return bring(&connection, permissions_of_replay(directories), signals, UNREAD_PATIENCE);
}
