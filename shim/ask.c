/* Asking the daemon: HELLO, REQUEST, its orders, its REPLY. */
#define _GNU_SOURCE
#include "ask.h"

#include <unistd.h>

#include "version.h"

enum {
  /* A daemon reads at once, whatever it has to do: one that has not in this time stands still. */
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

/* Everything of a REQUEST but the bytes of its config, which come right behind. */
static void append_request(struct buffer *out, const struct request *request, const struct plugin_directories *directories,
                           unsigned tries_left) {
  bool is_traced = request->traceparent[0] != 0;
  size_t begin = frame_begin(out, FRAME_REQUEST, 0);
  msgpack_put_map(out, REQUEST_VARIABLES + 2U + (is_traced ? 1 : 0) + (tries_left > 0 ? 1 : 0));
  request_put_variables(request, out);
  if (is_traced) {
    msgpack_put_text(out, "traceparent");
    msgpack_put_text(out, request->traceparent);
  }
  if (tries_left > 0) {
    msgpack_put_text(out, "triesLeft");
    msgpack_put_unsigned(out, tries_left);
  }
  struct buffer list = {0};
  plugin_directories_append(directories, &list);
  msgpack_put_text(out, "pluginDirectories");
  msgpack_put_text(out, buffer_text(&list));
  buffer_free(&list);
  msgpack_put_text(out, "config");
  msgpack_put_binary_head(out, request->config.length);
  frame_end(out, begin, request->config.length);
}

struct serve_result ask_daemon(int fd, const struct request *request, const struct plugin_directories *directories,
                               const struct signals *signals, unsigned tries_left) {
  struct connection connection = {.fd = fd};
  struct buffer hello_and_request = {0}, config = {0};
  ask_append_hello(&hello_and_request, "plugin", NULL);
  append_request(&hello_and_request, request, directories, tries_left);
  buffer_append(&config, request->config.data, request->config.length);
  connection_queue(&connection, &hello_and_request, &config);
  struct permissions permissions = permissions_of_call(request, directories);
  struct serve_result result = serve(&connection, &permissions, signals, request_needs_daemon(request) ? 0 : UNREAD_PATIENCE);
  permissions_free(&permissions);
  connection_free(&connection);
  (void)close(fd);
  return result;
}
