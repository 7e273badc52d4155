/* Reads the keys of the netconf on stdin that the shim itself needs. */
#include "netconf.h"

#include <stdlib.h>
#include <string.h>

#include "wire/connection.h"
#include "base/json.h"

static const char default_plugin_directory[] = "/opt/cni/bin";
static const char default_cni_directory[] = "/var/lib/cni/multus";

enum {
  /* Seconds to wait for a daemon that is absent, as Go multus's shim waits. */
  DEFAULT_DAEMON_WAIT_SECONDS = 60,
  MAX_DAEMON_WAIT_SECONDS = 600,
};

/* An absolute directory that the netconf names, or its default. */
static void read_directory(struct json_wanted *wanted, const char *usual, struct buffer *directory) {
  struct buffer *value = &wanted->value;
  if (!wanted->found || value->length == 0) {
    buffer_say(directory, usual);
    return;
  }
  if (value->data[0] != '/' || memchr(value->data, 0, value->length) != NULL) {
    struct buffer message = {0};
    buffer_say(&message, wanted->key, " of the network configuration is not an absolute path");
    fail(CNI_INVALID_NETWORK_CONFIG, buffer_text(&message), buffer_text(value));
  }
  buffer_append(directory, value->data, value->length);
}

static uint32_t read_daemon_wait(struct bytes config) {
  uint32_t seconds = DEFAULT_DAEMON_WAIT_SECONDS;
  struct bytes value;
  if (json_find_value(config, "daemonWaitSeconds", &value) && !json_read_unsigned(value, MAX_DAEMON_WAIT_SECONDS, &seconds)) {
    fail(CNI_INVALID_NETWORK_CONFIG, "daemonWaitSeconds of the network configuration is not a whole number from 0 to 600", "");
  }
  return seconds;
}

struct netconf netconf_read(const struct request *request) {
  enum { CNI_VERSION, SOCKET_DIRECTORY, PLUGIN_DIRECTORY, CNI_DIRECTORY, DEL_ON_DAEMON_DOWN, KEYS };
  struct json_wanted wanted[KEYS] = {
      [CNI_VERSION] = {.key = "cniVersion"},     [SOCKET_DIRECTORY] = {.key = "daemonSocketDir"},
      [PLUGIN_DIRECTORY] = {.key = "binDir"},    [CNI_DIRECTORY] = {.key = "cniDir"},
      [DEL_ON_DAEMON_DOWN] = {.key = "delOnDaemonDown"},
  };
  json_find_strings((struct bytes){request->config.data, request->config.length}, wanted, KEYS);
  struct buffer *version = &wanted[CNI_VERSION].value, *plugins = &wanted[PLUGIN_DIRECTORY].value;
  if (wanted[CNI_VERSION].found) failure_set_cni_version((struct bytes){version->data, version->length});

  struct netconf netconf = {0};
  plugin_directories_leave_out_own(&netconf.directories);
  plugin_directories_allow(&netconf.directories, bytes_of_text(request->path));
  plugin_directories_allow(&netconf.directories, bytes_of_text(default_plugin_directory));
  if (wanted[PLUGIN_DIRECTORY].found && plugins->length > 0) plugin_directories_allow(&netconf.directories, bytes_of_text(buffer_text(plugins)));

  read_directory(&wanted[SOCKET_DIRECTORY], connection_default_directory, &netconf.socket_path);
  buffer_say(&netconf.socket_path, connection_socket_name);
  if (netconf.socket_path.length > connection_max_path()) {
    fail(CNI_INVALID_NETWORK_CONFIG, "daemonSocketDir of the network configuration is too long for the path of a socket",
         buffer_text(&netconf.socket_path));
  }
  struct buffer cni_directory = {0};
  read_directory(&wanted[CNI_DIRECTORY], default_cni_directory, &cni_directory);
  netconf.spool.cni_dir = bytes_copy_text((struct bytes){cni_directory.data, cni_directory.length});
  buffer_free(&cni_directory);
  struct buffer *word = &wanted[DEL_ON_DAEMON_DOWN].value;
  /* An empty string is an unset key, as for the daemon. */
  if (wanted[DEL_ON_DAEMON_DOWN].found && word->length > 0) {
    spool_take_setting(&netconf.spool, (struct bytes){word->data, word->length});
  }
  for (size_t i = 0; i < KEYS; i++) buffer_free(&wanted[i].value);
  struct bytes config = {request->config.data, request->config.length};
  netconf.on_demand = on_demand_read(config);
  netconf.daemon_wait_seconds = read_daemon_wait(config);
  return netconf;
}

void netconf_free(struct netconf *netconf) {
  buffer_free(&netconf->socket_path);
  buffer_free(&netconf->directories.allowed);
  free(netconf->spool.cni_dir);
  buffer_free(&netconf->on_demand.command);
  *netconf = (struct netconf){0};
}
