/* Carries out ATTACH_LINKS and DETACH_LINKS. */
#include "exec/native_orders.h"

#include <stdlib.h>
#include <string.h>

#include "wire/done.h"
#include "wire/native_order.h"

/* Is the file that would be run for each plugin in the state that the daemon knows? NULL, or the `error` of a DONE. */
static const char *check_plugins(const struct permissions *permissions, const struct order_plugins *plugins, struct buffer *problem) {
  const char *error = NULL;
  for (size_t i = 0; error == NULL && i < plugins->count; i++) {
    const struct order_plugin *plugin = &plugins->list[i];
    struct stat status;
    char state[PLUGIN_STATE_BYTES];
    char *file;
    error = plugin_find(permissions->directories, plugin->plugin, plugin->path, &file, &status, problem);
    if (error != NULL) return strcmp(error, "not-found") == 0 ? "unsuited" : error;
    plugin_file_state(&status, state);
    if (state[0] == '\0' || !bytes_equal_text(plugin->file_state, state)) {
      error = "unsuited";
      buffer_say(problem, file, " has changed");
    }
    free(file);
  }
  return error;
}

const char *native_orders_attach(const struct permissions *permissions, struct connection *connection, const struct frame *frame, bool is_due,
                                 struct buffer *problem) {
  struct native_links links = {0};
  struct order_plugins plugins;
  const char *error = "refused";
  if (order_read_attach_links(frame->body, &links, &plugins, problem) && permissions_native_links(permissions, &links, "ADD", problem)) {
    error = is_due ? check_plugins(permissions, &plugins, problem) : NULL;
    if (error == NULL && is_due) error = native_links_attach(&links, permissions->call->container_id, problem);
    if (error == NULL && is_due) done_attach_links(connection, frame->id, &links);
  }
  native_links_free(&links);
  return error;
}

const char *native_orders_detach(const struct permissions *permissions, struct connection *connection, const struct frame *frame, bool is_due,
                                 struct buffer *problem) {
  struct native_links links = {0};
  const char *error = "refused";
  if (order_read_detach_links(frame->body, &links, problem) && permissions_native_links(permissions, &links, "DEL", problem)) {
    error = is_due ? native_links_detach(&links, permissions->call->container_id, problem) : NULL;
    if (error == NULL && is_due) done_nothing_to_say(connection, frame->id);
  }
  native_links_free(&links);
  return error;
}
