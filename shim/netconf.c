/* Reads the keys of the netconf on stdin that the shim itself needs. */
#include "netconf.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "wire/connection.h"

static const char default_plugin_directory[] = "/opt/cni/bin";
static const char default_cni_directory[] = "/var/lib/cni/multus";

enum {
  /* Seconds to wait for a daemon that is absent, as Go multus's shim waits. */
  DEFAULT_DAEMON_WAIT_SECONDS = 60,
  MAX_DAEMON_WAIT_SECONDS = 600,
  DEFAULT_START_TIMEOUT_MS = 10000,
  MAX_START_TIMEOUT_MS = 600000,
};

/* Reads a text; empty if it is not set. */
static void read_text(const struct json_wanted *wanted, struct buffer *text) {
  if (!wanted->found || !json_read_string(wanted->value, text)) text->length = 0;
}

/* Reads an absolute directory, or its default. */
static void read_directory(const struct json_wanted *wanted, const char *usual, struct buffer *directory) {
  read_text(wanted, directory);
  if (directory->length == 0) buffer_say(directory, usual);
  if (directory->data[0] == '/' && memchr(directory->data, 0, directory->length) == NULL) return;
  struct buffer message = {0};
  buffer_say(&message, wanted->key, " of the network configuration is not an absolute path");
  fail(CNI_INVALID_NETWORK_CONFIG, buffer_text(&message), buffer_text(directory));
}

/* Reads a whole number, or leaves its default. */
static void read_number(const struct json_wanted *wanted, uint32_t least, uint32_t most, uint32_t *number) {
  if (!wanted->found || (json_read_unsigned(wanted->value, most, number) && *number >= least)) return;
  struct buffer message = {0};
  buffer_print(&message, "%s of the network configuration is not a whole number from %u to %u", wanted->key, least, most);
  fail(CNI_INVALID_NETWORK_CONFIG, buffer_text(&message), "");
}

static void read_command(const struct json_wanted *wanted, struct on_demand *on_demand) {
  /* An empty string is an unset key, as for the daemon. */
  if (!wanted->found || bytes_equal_text(wanted->value, "\"\"")) return;
  /* The texts are separated by zero bytes: an empty first text begins with one, and a relative path with another character. */
  if (json_read_strings(wanted->value, NULL, &on_demand->command, &on_demand->count) && on_demand->count > 0 && on_demand->command.data[0] == '/') return;
  fail(CNI_INVALID_NETWORK_CONFIG, "daemonCommand of the network configuration is not an array of strings that begins with an absolute path", "");
}

struct netconf netconf_read(const struct request *request) {
  enum { CNI_VERSION, SOCKET_DIRECTORY, PLUGIN_DIRECTORY, CNI_DIRECTORY, DEL_ON_DAEMON_DOWN, DAEMON_COMMAND, START_TIMEOUT, DAEMON_WAIT, KEYS };
  struct json_wanted wanted[KEYS] = {
      [CNI_VERSION] = {.key = "cniVersion"},
      [SOCKET_DIRECTORY] = {.key = "daemonSocketDir"},
      [PLUGIN_DIRECTORY] = {.key = "binDir"},
      [CNI_DIRECTORY] = {.key = "cniDir"},
      [DEL_ON_DAEMON_DOWN] = {.key = "delOnDaemonDown"},
      [DAEMON_COMMAND] = {.key = "daemonCommand"},
      [START_TIMEOUT] = {.key = "daemonStartTimeoutMs"},
      [DAEMON_WAIT] = {.key = "daemonWaitSeconds"},
  };
  json_find(buffer_bytes(&request->config), wanted, KEYS);
  struct netconf netconf = {.daemon_wait_seconds = DEFAULT_DAEMON_WAIT_SECONDS, .on_demand.start_timeout_ms = DEFAULT_START_TIMEOUT_MS};
  struct buffer text = {0};
  read_text(&wanted[CNI_VERSION], &text);
  failure_set_cni_version(buffer_bytes(&text));

  plugin_directories_leave_out_own(&netconf.directories);
  plugin_directories_allow(&netconf.directories, bytes_of_text(request->path));
  plugin_directories_allow(&netconf.directories, bytes_of_text(default_plugin_directory));
  read_text(&wanted[PLUGIN_DIRECTORY], &text);
  plugin_directories_allow(&netconf.directories, bytes_of_text(buffer_text(&text)));

  read_directory(&wanted[SOCKET_DIRECTORY], connection_default_directory, &netconf.socket_path);
  buffer_say(&netconf.socket_path, connection_socket_name);
  if (netconf.socket_path.length > CONNECTION_MAX_PATH) {
    fail(CNI_INVALID_NETWORK_CONFIG, "daemonSocketDir of the network configuration is too long for the path of a socket",
         buffer_text(&netconf.socket_path));
  }
  read_directory(&wanted[CNI_DIRECTORY], default_cni_directory, &text);
  netconf.spool.cni_dir = bytes_copy_text(buffer_bytes(&text));
  /* The daemon refuses any other word. A DEL that meets one all the same must not be lost, and must not hang. */
  read_text(&wanted[DEL_ON_DAEMON_DOWN], &text);
  netconf.spool.del_on_daemon_down = bytes_equal_text(buffer_bytes(&text), "fail")     ? DEL_FAILS
                                     : bytes_equal_text(buffer_bytes(&text), "ignore") ? DEL_IGNORED
                                                                                       : DEL_SPOOLED;
  buffer_free(&text);
  read_command(&wanted[DAEMON_COMMAND], &netconf.on_demand);
  read_number(&wanted[START_TIMEOUT], 1, MAX_START_TIMEOUT_MS, &netconf.on_demand.start_timeout_ms);
  read_number(&wanted[DAEMON_WAIT], 0, MAX_DAEMON_WAIT_SECONDS, &netconf.daemon_wait_seconds);
  return netconf;
}

void netconf_free(struct netconf *netconf) {
  buffer_free(&netconf->socket_path);
  buffer_free(&netconf->directories.allowed);
  free(netconf->spool.cni_dir);
  buffer_free(&netconf->on_demand.command);
  *netconf = (struct netconf){0};
}
