/* One call of the plugin by a runtime: asks the daemon, and answers the runtime. */
#include "roles.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/files.h"
#include "exec/ask.h"
#include "net/netns.h"
#include "netconf.h"
#include "spool/spool_stay.h"

static bool is_status(const struct request *request) { return strcmp(request->command, "STATUS") == 0; }
static bool is_del(const struct request *request) { return strcmp(request->command, "DEL") == 0; }

/* STATUS has a code of its own for a plugin that cannot serve (CNI spec, section 2 "STATUS"). */
static enum cni_error unavailable(const struct request *request) {
  return is_status(request) ? CNI_PLUGIN_NOT_AVAILABLE : CNI_TRY_AGAIN_LATER;
}

/* Answers a request that no daemon has answered: a DEL may be recorded. Returns the exit code. */
static int finish(const struct request *request, const struct netconf *netconf, struct failure *failure) {
  const char *message = buffer_text(&failure->message);
  return spool_stands_for(&netconf->spool, request) ? spool_stand_in(&netconf->spool, request, message)
                                                    : print_failure(failure->code, message, buffer_text(&failure->details));
}

/* Answers a request without a daemon, and returns the exit code. `error`: errno, if the failure has no message. */
static int finish_without_daemon(const struct request *request, struct netconf *netconf, int error, struct failure *failure) {
  bool is_signal = failure->message.length == 0 && error == EINTR;
  const char *socket_path = buffer_text(&netconf->socket_path);
  /* Runtimes ask for STATUS every few seconds, so STATUS does not start an on-demand daemon. Success then says only that it could be started. */
  if (is_status(request) && netconf->on_demand.count > 0 && connection_may_come(error) && !is_signal &&
      on_demand_can_start(&netconf->on_demand, failure)) {
    return 0;
  }
  if (failure->message.length == 0) {
    failure->code = unavailable(request);
    buffer_say(&failure->message, "multusd cannot be reached on ", socket_path, ": ", is_signal ? "ended by a signal" : strerror(error));
    buffer_say(&failure->details,
               "Is the Multus daemon running on this node? Look at its pod (kubectl -n kube-system get pods -o wide) or service ",
               "(systemctl status multusd), and whether ", socket_path,
               " is there; daemonSocketDir of the network configuration names another directory.");
  }
  return is_signal ? print_failure(failure->code, buffer_text(&failure->message), buffer_text(&failure->details)) : finish(request, netconf, failure);
}

/* Connects to the daemon; starts it or waits for it. Returns the descriptor, or -1 with the failure or errno. */
static int open_daemon(const struct request *request, struct netconf *netconf, int64_t until, const struct signals *signals,
                       struct failure *failure) {
  const char *socket_path = buffer_text(&netconf->socket_path);
  if (is_status(request) && netconf->on_demand.count > 0) return connection_try(socket_path, CONNECTION_BACKLOG_PATIENCE);
  return on_demand_open(&netconf->on_demand, socket_path, until, signals, failure);
}

/* Answers a request that was sent to a daemon, and returns the exit code. */
static int finish_plugin(const struct request *request, struct netconf *netconf, struct serve_result *result, struct failure *failure) {
  const struct order_reply *reply = &result->reply;
  struct buffer *message = &failure->message;
  failure->code = unavailable(request);
  failure->message.length = failure->details.length = 0;
  buffer_say(message, "multusd on ", buffer_text(&netconf->socket_path));
  buffer_say(&failure->details, "The daemon's log says why; the next DEL undoes what this request has done.");
  switch (result->end) {
    case SERVE_REPLIED:
      if (reply->retry && spool_stands_for(&netconf->spool, request)) {
        buffer_say(message, " is stopping");
        return finish(request, netconf, failure);
      }
      if (reply->record && is_del(request) && spool_take_failed(&netconf->spool, request) && !reply->tell) return 0;
      return file_write(STDOUT_FILENO, result->output.data, result->output.length) ? reply->exit_code : 1;
    case SERVE_DAEMON_GONE:
      buffer_say(message, " went away before it answered");
      return finish(request, netconf, failure);
    case SERVE_DAEMON_HANGS:
      buffer_say(message, " hangs: it does not read what it is sent");
      return finish(request, netconf, failure);
    case SERVE_BROKEN:
      buffer_say(message, " sent ", buffer_text(&result->problem));
      return print_failure(CNI_INTERNAL, buffer_text(message), "The daemon and the plugin binary are of different releases: install both from one release.");
    case SERVE_SIGNALLED:
      break;
  }
  return print_failure(failure->code, "ended by a signal before multusd answered", "The next DEL undoes what this request has done.");
}

/* Asks the daemon, or the next one if the reply says retry, and returns the exit code. */
static int ask_and_finish(const struct request *request, struct netconf *netconf, const struct signals *signals, int64_t until,
                          struct failure *failure) {
  struct serve_result result = {0};
  int fd = -1;
  /* A second time where the daemon exited before its first order: then retrying with a new one is safe. */
  for (int tries = netconf->on_demand.count > 0 ? 2 : 1; tries > 0; tries--) {
    fd = open_daemon(request, netconf, until, signals, failure);
    if (fd < 0) return finish_without_daemon(request, netconf, errno, failure);
    serve_result_free(&result);
    result = ask_daemon(fd, request, &netconf->directories, signals);
    if (result.end != SERVE_DAEMON_GONE || result.has_begun) break;
  }
  /* A stopping daemon has replied that the next one should be asked. If none comes in time, this reply is the answer. */
  while (result.reply.retry && connection_wait(until, signals) && (fd = open_daemon(request, netconf, until, signals, failure)) >= 0) {
    serve_result_free(&result);
    result = ask_daemon(fd, request, &netconf->directories, signals);
  }
  int exit_code = finish_plugin(request, netconf, &result, failure);
  serve_result_free(&result);
  return exit_code;
}

/* When to stop waiting (clock_micros()) for a daemon that is absent or stopping, as it may be restarting. */
static int64_t waits_until(const struct request *request, const struct netconf *netconf) {
  return clock_micros() + (request_needs_daemon(request) ? (int64_t)netconf->daemon_wait_seconds * MICROS_PER_SECOND : 0);
}

/* A call for the plugin's own namespace, which is the host's, would create and delete the host's links. libcni's plugins refuse ADD and DEL
 * there only after they have run. The shim refuses the ADD before anything runs. A DEL must stay possible: it runs as for a namespace that is
 * gone, and releases everything outside of it. */
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

int call_run(void) {
  struct signals signals;
  struct request request;
  request_read_environment(&request);
  signals_take(&signals);
  request_read_config(&request, &signals);
  struct netconf netconf = netconf_read(&request);
  keep_out_of_own_netns(&request);

  struct failure failure = {0};
  int exit_code = ask_and_finish(&request, &netconf, &signals, waits_until(&request, &netconf), &failure);
  buffer_free(&request.config);
  failure_free(&failure);
  struct spool_stay stay = {
      .cni_dir = netconf.spool.cni_dir,
      .socket_path = buffer_text(&netconf.socket_path),
      .path = request.path,
      .directories = &netconf.directories,
      .on_demand = &netconf.on_demand,
      .signals = &signals,
  };
  spool_stay_start(&stay);
  netconf_free(&netconf);
  return exit_code;
}
