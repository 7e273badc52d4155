/* The plugin binary: which of its roles is asked for, and how each begins and ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "failure.h"
#include "json.h"
#include "netns.h"
#include "on_demand.h"
#include "plugin_path.h"
#include "request.h"
#include "serve.h"
#include "signals.h"
#include "version.h"

static const char default_socket_directory[] = "/run/multus";
static const char socket_name[] = "/multus.sock";
static const char default_plugin_directory[] = "/opt/cni/bin";

enum { EXIT_USAGE = 2 };

/* A runtime that starts us without one of 0, 1, 2 would have us take a pipe for our stdout. */
static void open_standard_descriptors(void) {
  for (int fd = 0; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    /* The lowest free number is this one. */
    if (open("/dev/null", O_RDWR) != fd) _exit(1);
  }
}

/* Prints for people or runtimes and gives the exit code. */
static int print(int fd, struct buffer *text) {
  bool written = write_all(fd, text->data, text->length);
  buffer_free(text);
  return written ? 0 : 1;
}

static void append_hello(struct buffer *out, const char *role) {
  size_t begin = frame_begin(out, FRAME_HELLO, 0);
  msgpack_put_map(out, 3);
  msgpack_put_text(out, "protocol");
  msgpack_put_unsigned(out, FRAME_PROTOCOL);
  msgpack_put_text(out, "version");
  msgpack_put_text(out, version_of_shim);
  msgpack_put_text(out, "role");
  msgpack_put_text(out, role);
  frame_end(out, begin, 0);
}

/* Everything of a REQUEST but the bytes of its config, which come right behind. */
static void append_request(struct buffer *out, const struct request *request) {
  const char *const pairs[][2] = {
      {"command", request->command}, {"containerId", request->container_id}, {"netns", request->netns},
      {"ifName", request->if_name},  {"args", request->args},                {"path", request->path},
  };
  const uint32_t count = sizeof pairs / sizeof pairs[0];
  bool is_traced = request->traceparent[0] != 0;
  size_t begin = frame_begin(out, FRAME_REQUEST, 0);
  msgpack_put_map(out, count + 1 + (is_traced ? 1 : 0));
  for (size_t i = 0; i < count; i++) {
    msgpack_put_text(out, pairs[i][0]);
    msgpack_put_text(out, pairs[i][1]);
  }
  if (is_traced) {
    msgpack_put_text(out, "traceparent");
    msgpack_put_text(out, request->traceparent);
  }
  msgpack_put_text(out, "config");
  msgpack_put_binary_head(out, request->config.length);
  frame_end(out, begin, request->config.length);
}

/* What the shim itself has to know of the netconf. */
struct netconf {
  struct buffer socket_path;
  struct plugin_directories directories;
  struct on_demand on_demand;
};

static struct netconf read_netconf(const struct request *request) {
  struct json_wanted wanted[] = {{.key = "cniVersion"}, {.key = "daemonSocketDir"}, {.key = "binDir"}};
  json_find_strings((struct bytes){request->config.data, request->config.length}, wanted, 3);
  if (wanted[0].found) failure_set_cni_version((struct bytes){wanted[0].value.data, wanted[0].value.length});

  struct netconf netconf = {0};
  plugin_directories_allow(&netconf.directories, bytes_of_text(request->path));
  plugin_directories_allow(&netconf.directories, bytes_of_text(default_plugin_directory));
  if (wanted[2].found) plugin_directories_allow(&netconf.directories, bytes_of_text(buffer_text(&wanted[2].value)));

  struct buffer *directory = &wanted[1].value;
  if (wanted[1].found && directory->length > 0) {
    if (directory->data[0] != '/' || memchr(directory->data, 0, directory->length) != NULL) {
      fail(CNI_INVALID_NETWORK_CONFIG, "daemonSocketDir of the network configuration is not an absolute path", buffer_text(directory));
    }
    buffer_append(&netconf.socket_path, directory->data, directory->length);
  } else {
    buffer_say(&netconf.socket_path, default_socket_directory);
  }
  buffer_say(&netconf.socket_path, socket_name);
  if (netconf.socket_path.length > connection_max_path()) {
    fail(CNI_INVALID_NETWORK_CONFIG, "daemonSocketDir of the network configuration is too long for the path of a socket",
         buffer_text(&netconf.socket_path));
  }
  for (size_t i = 0; i < 3; i++) buffer_free(&wanted[i].value);
  netconf.on_demand = on_demand_read((struct bytes){request->config.data, request->config.length});
  return netconf;
}

static bool is_status(const struct request *request) { return strcmp(request->command, "STATUS") == 0; }

/* STATUS has a code of its own for a plugin that cannot serve (CNI spec, section 2 "STATUS"). */
static enum cni_error unavailable(const struct request *request) {
  return is_status(request) ? CNI_PLUGIN_NOT_AVAILABLE : CNI_TRY_AGAIN_LATER;
}

/* `error`: errno, where the problem has no message. */
static _Noreturn void fail_without_daemon(const struct request *request, const char *socket_path, int error,
                                          struct on_demand_problem *problem) {
  if (problem->message.length > 0) fail(problem->code, buffer_text(&problem->message), buffer_text(&problem->details));
  struct buffer message = {0}, details = {0};
  buffer_say(&message, "multusd cannot be reached on ", socket_path, ": ", error == EINTR ? "ended by a signal" : strerror(error));
  buffer_say(&details, "Is the Multus daemon running on this node? Look at its pod (kubectl -n kube-system get pods -o wide) or service ",
             "(systemctl status multusd), and whether ", socket_path,
             " is there; daemonSocketDir of the network configuration names another directory.");
  fail(unavailable(request), buffer_text(&message), buffer_text(&details));
}

/* Runtimes ask for STATUS every few seconds: a daemon that runs on demand is not started for it. Success then says only that it could be. */
static int open_for_status(const struct netconf *netconf, const char *socket_path, int64_t until, struct on_demand_problem *problem) {
  int fd = connection_try(socket_path, until - clock_micros());
  if (fd < 0 && connection_may_come(errno) && on_demand_can_start(&netconf->on_demand, problem)) _exit(0);
  return fd;
}

/* Connects to the daemon, which is started or waited for. Returns the descriptor, or -1 with the problem or errno. */
static int open_daemon(const struct request *request, const struct netconf *netconf, const char *socket_path, int64_t until,
                       const struct signals *signals, struct on_demand_problem *problem) {
  if (netconf->on_demand.count == 0) return connection_open(socket_path, until, signals);
  if (is_status(request)) return open_for_status(netconf, socket_path, until, problem);
  return on_demand_open(&netconf->on_demand, socket_path, signals, problem);
}

static int finish_plugin(const struct request *request, const char *socket_path, struct serve_result *result) {
  struct buffer message = {0};
  switch (result->end) {
    case SERVE_REPLIED:
      if (!write_all(STDOUT_FILENO, result->output.data, result->output.length)) return 1;
      buffer_free(&result->output);
      return result->exit_code;
    case SERVE_DAEMON_GONE:
      buffer_say(&message, "multusd on ", socket_path, " went away before it answered");
      fail(unavailable(request), buffer_text(&message), "Its log says why; what has been started is undone by the next DEL.");
    case SERVE_BROKEN:
      buffer_say(&message, "multusd on ", socket_path, " sent ", buffer_text(&result->problem));
      fail(CNI_INTERNAL, buffer_text(&message), "Daemon and plugin binary do not fit together: install both from one release.");
    case SERVE_SIGNALLED:
      break;
  }
  fail(unavailable(request), "ended by a signal before multusd answered", "What has been started is undone by the next DEL.");
}

/* Brings the request over a fresh connection, which is closed again, and carries out what is ordered for it. */
static struct serve_result bring_request(int fd, const struct request *request, const struct netconf *netconf,
                                         const struct signals *signals) {
  struct connection connection = {.fd = fd};
  struct buffer hello_and_request = {0}, config = {0};
  append_hello(&hello_and_request, "plugin");
  append_request(&hello_and_request, request);
  buffer_append(&config, request->config.data, request->config.length);
  connection_queue(&connection, &hello_and_request, &config);
  struct serve_result result = serve(&connection, &netconf->directories, ENVIRONMENT_OF_RUNTIME, signals);
  connection_free(&connection);
  (void)close(fd);
  return result;
}

static int run_plugin(void) {
  struct signals signals;
  struct request request;
  request_read_environment(&request);
  signals_take(&signals);
  request_read_config(&request, &signals);
  struct netconf netconf = read_netconf(&request);
  const char *socket_path = buffer_text(&netconf.socket_path);

  int64_t until = clock_micros() + CONNECTION_PATIENCE;
  struct on_demand_problem problem = {0};
  int fd = open_daemon(&request, &netconf, socket_path, until, &signals, &problem);
  if (fd < 0) fail_without_daemon(&request, socket_path, errno, &problem);
  struct serve_result result = bring_request(fd, &request, &netconf, &signals);
  if (netconf.on_demand.count > 0 && result.end == SERVE_DAEMON_GONE && !result.has_begun) {
    /* It was just ending, whatever of, and has ordered nothing: the next one begins anew. */
    buffer_free(&result.problem);
    fd = open_daemon(&request, &netconf, socket_path, until, &signals, &problem);
    if (fd < 0) fail_without_daemon(&request, socket_path, errno, &problem);
    result = bring_request(fd, &request, &netconf, &signals);
  }
  /* A daemon that stops has told us to ask the next one. It may not come in time: then this is the answer. */
  while (result.retry && connection_wait(until, &signals) &&
         (fd = open_daemon(&request, &netconf, socket_path, until, &signals, &problem)) >= 0) {
    buffer_free(&result.output);
    buffer_free(&result.problem);
    result = bring_request(fd, &request, &netconf, &signals);
  }
  int exit_code = finish_plugin(&request, socket_path, &result);
  buffer_free(&result.problem);
  buffer_free(&request.config);
  buffer_free(&netconf.socket_path);
  buffer_free(&netconf.directories.allowed);
  buffer_free(&netconf.on_demand.command);
  buffer_free(&problem.message);
  buffer_free(&problem.details);
  return exit_code;
}

/* From here on every path is one below `directory`: plugins, what they read, and the namespaces that orders name. */
static void change_root(const char *directory) {
  struct buffer problem = {0};
  /* There need be no /proc below it. */
  if (!netns_open_own(&problem)) fail(CNI_IO_FAILURE, buffer_text(&problem), "");
  if (chroot(directory) == 0 && chdir("/") == 0) return;
  int error = errno;
  buffer_say(&problem, "multus agent cannot make ", directory, " its root directory");
  fail_errno(CNI_IO_FAILURE, buffer_text(&problem), error);
}

/* Serves orders on an open socket until it ends. With `root` NULL the root directory stays what it is. */
static int run_agent(int fd, const char *path, const char *root) {
  struct signals signals;
  struct plugin_directories directories = {0};
  struct connection connection = {.fd = fd};
  failure_use_stderr();
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) fail_errno(CNI_IO_FAILURE, "the descriptor of multus agent", errno);
  int type;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) fail_errno(CNI_IO_FAILURE, "the descriptor of multus agent", errno);
  if (root != NULL) change_root(root);
  signals_take(&signals);
  plugin_directories_allow(&directories, bytes_of_text(path));
  struct buffer hello = {0}, nothing = {0};
  append_hello(&hello, "agent");
  connection_queue(&connection, &hello, &nothing);

  struct serve_result result = serve(&connection, &directories, ENVIRONMENT_OF_AGENT, &signals);
  int exit_code = 0;
  switch (result.end) {
    case SERVE_REPLIED:
      /* The daemon refuses us: another version. */
      exit_code = write_all(STDERR_FILENO, result.output.data, result.output.length) ? result.exit_code : 1;
      break;
    case SERVE_BROKEN:
      fail(CNI_INTERNAL, "multus agent was sent something that is not the protocol", buffer_text(&result.problem));
    case SERVE_SIGNALLED:
      exit_code = 1;
      break;
    case SERVE_DAEMON_GONE:
      break;
  }
  buffer_free(&result.output);
  buffer_free(&result.problem);
  buffer_free(&directories.allowed);
  connection_free(&connection);
  return exit_code;
}

static int usage(const char *problem) {
  struct buffer text = {0};
  buffer_say(&text, "multus: ", problem, "\n\n");
  version_append_help(&text);
  (void)print(STDERR_FILENO, &text);
  return EXIT_USAGE;
}

static int read_agent_options(int count, char **values) {
  int fd = STDIN_FILENO;
  const char *path = NULL, *root = NULL;
  for (int i = 0; i < count; i += 2) {
    if (i + 1 == count) return usage("an option of agent has no value");
    if (strcmp(values[i], "--path") == 0) {
      path = values[i + 1];
    } else if (strcmp(values[i], "--chroot") == 0) {
      root = values[i + 1];
      if (root[0] != '/') return usage("--chroot is not an absolute path");
    } else if (strcmp(values[i], "--fd") == 0) {
      char *end;
      errno = 0;
      long number = strtol(values[i + 1], &end, 10);
      if (errno != 0 || end == values[i + 1] || *end != 0 || number < 0 || number > 65535) return usage("--fd is not a descriptor");
      fd = (int)number;
    } else {
      return usage("agent has the options --path, --chroot and --fd");
    }
  }
  if (path == NULL) return usage("agent needs --path");
  return run_agent(fd, path, root);
}

int main(int count, char **values) {
  struct buffer text = {0};
  open_standard_descriptors();
  if (count > 1) {
    if (strcmp(values[1], "agent") == 0) return read_agent_options(count - 2, values + 2);
    if (strcmp(values[1], "--version") == 0 || strcmp(values[1], "-v") == 0) {
      version_append_about(&text);
      return print(STDOUT_FILENO, &text);
    }
    if (strcmp(values[1], "--help") == 0 || strcmp(values[1], "-h") == 0) {
      version_append_help(&text);
      return print(STDOUT_FILENO, &text);
    }
    return usage("unknown argument");
  }
  const char *command = getenv("CNI_COMMAND");
  if (command == NULL || command[0] == 0) {
    /* As libcni's plugins do: a person has typed our name. */
    version_append_about(&text);
    return print(STDERR_FILENO, &text);
  }
  if (strcmp(command, "VERSION") == 0) {
    version_append_result(&text);
    return print(STDOUT_FILENO, &text);
  }
  return run_plugin();
}
