/* The plugin binary: which of its roles is asked for, and how each begins and ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask.h"
#include "connection.h"
#include "failure.h"
#include "flags.h"
#include "json.h"
#include "netns.h"
#include "notice.h"
#include "on_demand.h"
#include "passthru.h"
#include "plugin_path.h"
#include "probe.h"
#include "spool.h"
#include "spool_replay.h"
#include "version.h"

static const char default_socket_directory[] = "/run/multus";
static const char socket_name[] = "/multus.sock";
static const char default_plugin_directory[] = "/opt/cni/bin";
static const char default_cni_directory[] = "/var/lib/cni/multus";

enum {
  EXIT_USAGE = 2,
  /* Seconds that a daemon which is not there is waited for: as long as Go multus's shim waits. */
  DEFAULT_DAEMON_WAIT_SECONDS = 60,
  MAX_DAEMON_WAIT_SECONDS = 600,
};

/* A runtime that starts us without one of 0, 1, 2 would have us take a pipe for our stdout. */
static void open_standard_descriptors(void) {
  for (int fd = 0; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    /* The lowest free number is this one. */
    if (open("/dev/null", O_RDWR) != fd) _exit(1);
  }
}

/* What the shim itself has to know of the netconf. */
struct netconf {
  struct buffer socket_path;
  struct plugin_directories directories;
  struct spool_settings spool;
  struct on_demand on_demand;
  uint32_t daemon_wait_seconds;
};

/* An absolute directory that the netconf names, or the usual one. */
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

/* Ends the process where it cannot be told which file must not be run as a plugin. */
static void leave_out_own(struct plugin_directories *directories) {
  if (!plugin_directories_leave_out_own(directories)) fail_errno(CNI_IO_FAILURE, "the plugin's own file (/proc/self/exe)", errno);
}

static struct netconf read_netconf(const struct request *request) {
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
  leave_out_own(&netconf.directories);
  plugin_directories_allow(&netconf.directories, bytes_of_text(request->path));
  plugin_directories_allow(&netconf.directories, bytes_of_text(default_plugin_directory));
  if (wanted[PLUGIN_DIRECTORY].found && plugins->length > 0) plugin_directories_allow(&netconf.directories, bytes_of_text(buffer_text(plugins)));

  read_directory(&wanted[SOCKET_DIRECTORY], default_socket_directory, &netconf.socket_path);
  buffer_say(&netconf.socket_path, socket_name);
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

static bool is_status(const struct request *request) { return strcmp(request->command, "STATUS") == 0; }
static bool is_del(const struct request *request) { return strcmp(request->command, "DEL") == 0; }

/* STATUS has a code of its own for a plugin that cannot serve (CNI spec, section 2 "STATUS"). */
static enum cni_error unavailable(const struct request *request) {
  return is_status(request) ? CNI_PLUGIN_NOT_AVAILABLE : CNI_TRY_AGAIN_LATER;
}

/* Answers a request for which there is no daemon, and gives the exit code. `error`: errno, where the problem has no message. */
static int finish_without_daemon(const struct request *request, struct netconf *netconf, int error, struct on_demand_problem *problem) {
  const char *socket_path = buffer_text(&netconf->socket_path);
  bool is_signal = problem->message.length == 0 && error == EINTR;
  struct buffer message = {0}, details = {0};
  buffer_say(&message, "multusd cannot be reached on ", socket_path, ": ", is_signal ? "ended by a signal" : strerror(error));
  if (!is_signal && spool_stands_for(&netconf->spool, request)) {
    spool_stand_in(&netconf->spool, request, buffer_text(problem->message.length > 0 ? &problem->message : &message));
    buffer_free(&message);
    return 0;
  }
  if (problem->message.length > 0) fail(problem->code, buffer_text(&problem->message), buffer_text(&problem->details));
  buffer_say(&details, "Is the Multus daemon running on this node? Look at its pod (kubectl -n kube-system get pods -o wide) or service ",
             "(systemctl status multusd), and whether ", socket_path,
             " is there; daemonSocketDir of the network configuration names another directory.");
  fail(unavailable(request), buffer_text(&message), buffer_text(&details));
}

/* Runtimes ask for STATUS every few seconds: a daemon that runs on demand is not started for it. Success then says only that it could be. */
static int open_for_status(const struct netconf *netconf, const char *socket_path, struct on_demand_problem *problem) {
  int fd = connection_try(socket_path, CONNECTION_BACKLOG_PATIENCE);
  if (fd < 0 && connection_may_come(errno) && on_demand_can_start(&netconf->on_demand, problem)) _exit(0);
  return fd;
}

/* Connects to the daemon, which is started or waited for. Returns the descriptor, or -1 with the problem or errno. */
static int open_daemon(const struct request *request, struct netconf *netconf, int64_t until, const struct signals *signals,
                       struct on_demand_problem *problem) {
  const char *socket_path = buffer_text(&netconf->socket_path);
  if (netconf->on_demand.count == 0) return connection_open(socket_path, until, signals);
  if (is_status(request)) return open_for_status(netconf, socket_path, problem);
  return on_demand_open(&netconf->on_demand, socket_path, signals, problem);
}

/* The same for one that a daemon has taken and not answered, or has left to the next one. `problem` is taken over. */
static int finish_without_answer(const struct request *request, const struct netconf *netconf, struct buffer *problem) {
  if (!spool_stands_for(&netconf->spool, request)) {
    fail(unavailable(request), buffer_text(problem), "Its log says why; what has been started is undone by the next DEL.");
  }
  spool_stand_in(&netconf->spool, request, buffer_text(problem));
  buffer_free(problem);
  return 0;
}

static int finish_plugin(const struct request *request, struct netconf *netconf, struct serve_result *result) {
  const char *socket_path = buffer_text(&netconf->socket_path);
  struct buffer message = {0};
  switch (result->end) {
    case SERVE_REPLIED:
      if (result->retry && spool_stands_for(&netconf->spool, request)) {
        buffer_say(&message, "multusd on ", socket_path, " is stopping");
        return finish_without_answer(request, netconf, &message);
      }
      if (result->record && is_del(request) && spool_take_failed(&netconf->spool, request) && !result->tell) return 0;
      return write_all(STDOUT_FILENO, result->output.data, result->output.length) ? result->exit_code : 1;
    case SERVE_DAEMON_GONE:
      buffer_say(&message, "multusd on ", socket_path, " went away before it answered");
      return finish_without_answer(request, netconf, &message);
    case SERVE_DAEMON_HANGS:
      buffer_say(&message, "multusd on ", socket_path, " hangs: it does not read what it is sent");
      return finish_without_answer(request, netconf, &message);
    case SERVE_BROKEN:
      buffer_say(&message, "multusd on ", socket_path, " sent ", buffer_text(&result->problem));
      fail(CNI_INTERNAL, buffer_text(&message), "Daemon and plugin binary do not fit together: install both from one release.");
    case SERVE_SIGNALLED:
      break;
  }
  fail(unavailable(request), "ended by a signal before multusd answered", "What has been started is undone by the next DEL.");
}

/* A daemon's answer. A daemon that leaves the request to the next one has not answered. */
enum daemon_answer { NOT_ANSWERED, ANSWERED_FAILURE, ANSWERED_SUCCESS };

/* Asks the daemon, or the next one where that one says so, and gives the exit code. */
static int ask_and_finish(const struct request *request, struct netconf *netconf, const struct signals *signals, int64_t until,
                          struct on_demand_problem *problem, enum daemon_answer *answer) {
  int fd = open_daemon(request, netconf, until, signals, problem);
  if (fd < 0) return finish_without_daemon(request, netconf, errno, problem);
  struct serve_result result = ask_daemon(fd, request, &netconf->directories, signals, 0);
  if (netconf->on_demand.count > 0 && result.end == SERVE_DAEMON_GONE && !result.has_begun) {
    /* It was just ending, whatever of, and has ordered nothing: the next one begins anew. */
    buffer_free(&result.problem);
    fd = open_daemon(request, netconf, until, signals, problem);
    if (fd < 0) return finish_without_daemon(request, netconf, errno, problem);
    result = ask_daemon(fd, request, &netconf->directories, signals, 0);
  }
  /* A daemon that stops has told us to ask the next one. It may not come in time: then this is the answer. */
  while (result.retry && connection_wait(until, signals) && (fd = open_daemon(request, netconf, until, signals, problem)) >= 0) {
    buffer_free(&result.output);
    buffer_free(&result.problem);
    result = ask_daemon(fd, request, &netconf->directories, signals, 0);
  }
  int exit_code = finish_plugin(request, netconf, &result);
  if (result.end == SERVE_REPLIED && !result.retry) *answer = result.exit_code == 0 ? ANSWERED_SUCCESS : ANSWERED_FAILURE;
  buffer_free(&result.output);
  buffer_free(&result.problem);
  return exit_code;
}

/* Does what is recorded of the request's container; a daemon that runs on demand is started for it. */
static enum spool_own replay_own(const struct spool *spool, const struct spool_peer *peer, const struct request *request,
                                 struct netconf *netconf, int64_t until, struct on_demand_problem *problem) {
  if (!request_has_attachment(request) || !spool_has_of(spool, request->container_id)) return SPOOL_OWN_DONE;
  if (netconf->on_demand.count > 0) {
    int fd = open_daemon(request, netconf, until, peer->signals, problem);
    if (fd < 0) return SPOOL_OWN_UNREACHABLE;
    (void)close(fd);
  }
  return spool_replay_own(spool, peer, request, until);
}

static _Noreturn void fail_before_recorded(const struct netconf *netconf) {
  struct buffer details = {0};
  buffer_say(&details, "It would take away what this ADD makes. It is in .spool of ", netconf->spool.cni_dir,
             "; the daemon's log says why it fails, or the plugin's stderr why it is not carried out.");
  fail(CNI_TRY_AGAIN_LATER, "a DEL of this container, recorded while multusd was away, has not succeeded yet", buffer_text(&details));
}

/* Until when to wait for a daemon that is absent or stopping (clock_micros()): it may be restarting. */
static int64_t waits_until(const struct request *request, const struct netconf *netconf) {
  return clock_micros() + (request_needs_daemon(request) ? (int64_t)netconf->daemon_wait_seconds * MICROS_PER_SECOND : 0);
}

/* A call for the plugin's own namespace, which is the host's: its plugins would make and take away the host's links. libcni's plugins refuse
 * ADD and DEL there, but only after they have run. Here an ADD is refused before anything runs; a DEL, which must stay possible, is done as for
 * a namespace that is gone, and releases what is not in it. */
static void keep_out_of_own_netns(struct request *request) {
  if (!netns_is_own(request->netns)) return;
  if (strcmp(request->command, "ADD") == 0) {
    fail(CNI_INVALID_NETNS, "plugin's netns and netns from CNI_NETNS should not be the same", request->netns);
  }
  if (strcmp(request->command, "DEL") == 0) {
    notice("CNI_NETNS is the plugin's own network namespace", "; this DEL is done without a namespace");
    request->netns = "";
  }
}

static int run_plugin(void) {
  struct signals signals;
  struct request request;
  request_read_environment(&request);
  signals_take(&signals);
  request_read_config(&request, &signals);
  struct netconf netconf = read_netconf(&request);
  keep_out_of_own_netns(&request);

  int64_t until = waits_until(&request, &netconf);
  struct spool_peer peer = {buffer_text(&netconf.socket_path), &netconf.directories, &signals};
  struct spool spool;
  spool_look(netconf.spool.cni_dir, &spool);
  struct on_demand_problem problem = {0};
  enum spool_own own = replay_own(&spool, &peer, &request, &netconf, until, &problem);
  int exit_code;
  enum daemon_answer answer = NOT_ANSWERED;
  if (own == SPOOL_OWN_UNREACHABLE) {
    exit_code = finish_without_daemon(&request, &netconf, errno, &problem);
  } else {
    if (own == SPOOL_OWN_LEFT && strcmp(request.command, "ADD") == 0) fail_before_recorded(&netconf);
    exit_code = ask_and_finish(&request, &netconf, &signals, until, &problem, &answer);
  }
  if (answer == ANSWERED_SUCCESS && is_del(&request)) spool_forget(&spool, &request);
  if (answer != NOT_ANSWERED) spool_replay_behind(&spool, &peer);
  spool_close(&spool);
  buffer_free(&request.config);
  buffer_free(&netconf.socket_path);
  buffer_free(&netconf.directories.allowed);
  free(netconf.spool.cni_dir);
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

/* Serves orders on an open socket until it ends. With `root` NULL the root directory stays what it is; `plays_runtime`: what it runs is
 * no delegate, and may be this file. */
static int run_agent(int fd, const char *path, const char *root, bool plays_runtime) {
  struct signals signals;
  struct plugin_directories directories = {0};
  struct connection connection = {.fd = fd};
  failure_use_stderr();
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) fail_errno(CNI_IO_FAILURE, "the descriptor of multus agent", errno);
  int type;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) fail_errno(CNI_IO_FAILURE, "the descriptor of multus agent", errno);
  /* There need be no /proc below `root`. */
  if (!plays_runtime) leave_out_own(&directories);
  if (root != NULL) change_root(root);
  signals_take(&signals);
  plugin_directories_allow(&directories, bytes_of_text(path));
  struct buffer hello = {0}, nothing = {0};
  ask_append_hello(&hello, "agent", NULL);
  connection_queue(&connection, &hello, &nothing);

  struct permissions permissions =
      permissions_of_agent(&directories, plays_runtime ? ENVIRONMENT_OF_PLAYED_RUNTIME : ENVIRONMENT_OF_AGENT);
  struct serve_result result = serve(&connection, &permissions, &signals, 0);
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
    case SERVE_DAEMON_HANGS:
      break;
  }
  buffer_free(&result.output);
  buffer_free(&result.problem);
  buffer_free(&directories.allowed);
  permissions_free(&permissions);
  connection_free(&connection);
  return exit_code;
}

static int usage(const char *problem) {
  struct buffer text = {0};
  buffer_say(&text, "multus: ", problem, "\n\n");
  version_append_help(&text);
  (void)print_text(STDERR_FILENO, &text);
  return EXIT_USAGE;
}

static int read_agent_options(int count, char **values) {
  int fd = STDIN_FILENO;
  const char *path = NULL, *root = NULL;
  bool plays_runtime = false;
  for (int i = 0; i < count; i += 2) {
    if (strcmp(values[i], "--as-runtime") == 0) {
      plays_runtime = true;
      i--;
      continue;
    }
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
      return usage("agent has the options --path, --chroot, --fd and --as-runtime");
    }
  }
  if (path == NULL) return usage("agent needs --path");
  return run_agent(fd, path, root, plays_runtime);
}

static int run_probe(int count, char **values) {
  struct probe probe = {.socket_directory = default_socket_directory};
  const char *problem = probe_read_options(count, values, &probe);
  if (problem != NULL) return usage(problem);
  struct buffer socket_path = {0};
  buffer_say(&socket_path, probe.socket_directory, socket_name);
  int exit_code = probe_run(&probe, buffer_text(&socket_path));
  buffer_free(&socket_path);
  return exit_code;
}

/* Answers a plugin that took us for one of its own, before anything of its configuration is read, and gives the exit code: it may come
 * from the author of a network, and we would run what it names. */
static int refuse_delegate(const char *command) {
  /* No ADD has succeeded, so there is nothing to undo, and a pod must be deletable. */
  if (strcmp(command, "DEL") == 0) return 0;
  fail(CNI_INVALID_NETWORK_CONFIG, "Multus cannot be a delegate of Multus: a plugin that Multus runs has started it",
       "A network configuration names this plugin as its type, as a plugin of its list, as its IPAM or as its delegate (the environment "
       "has " ENVIRONMENT_DELEGATE_MARK ").");
}

int main(int count, char **values) {
  struct buffer text = {0};
  open_standard_descriptors();
  /* Before all that makes this file Multus: under that name it asks no daemon, whatever its environment and its configuration say. */
  if (count > 0 && passthru_is(values[0])) return passthru_run(count - 1, values + 1);
  if (count > 1) {
    if (strcmp(values[1], "agent") == 0) return read_agent_options(count - 2, values + 2);
    if (strcmp(values[1], "probe") == 0) return run_probe(count - 2, values + 2);
    switch (flags_read(count - 1, values + 1)) {
      case FLAGS_NONE:
        break;
      case FLAGS_VERSION:
        version_append_about(&text);
        return print_text(STDOUT_FILENO, &text);
      case FLAGS_HELP:
        version_append_help(&text);
        return print_text(STDOUT_FILENO, &text);
      case FLAGS_UNKNOWN:
        return usage("unknown argument");
    }
  }
  const char *command = getenv("CNI_COMMAND");
  if (command == NULL || command[0] == 0) {
    /* As libcni's plugins do: a person has typed our name. */
    version_append_about(&text);
    return print_text(STDERR_FILENO, &text);
  }
  if (strcmp(command, "VERSION") == 0) {
    version_append_result(&text);
    return print_text(STDOUT_FILENO, &text);
  }
  if (getenv(ENVIRONMENT_DELEGATE_MARK) != NULL) return refuse_delegate(command);
  return run_plugin();
}
