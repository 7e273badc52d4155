/* Starts the on-demand daemon: one call runs `daemonCommand` of the netconf, and every call waits until the daemon serves. */
#include "on_demand/on_demand.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/connection.h"
#include "base/json.h"
#include "on_demand/on_demand_directory.h"
#include "on_demand/on_demand_start.h"

enum {
  DEFAULT_START_TIMEOUT_MS = 10000,
  MAX_START_TIMEOUT_MS = 600000,
  /* Milliseconds between two tries: of the call that has started the daemon, and of the calls that wait for it. */
  STARTED_STEP_MS = 5,
  WAITING_STEP_MS = 20,
};

struct on_demand on_demand_read(struct bytes netconf) {
  struct on_demand on_demand = {.start_timeout_ms = DEFAULT_START_TIMEOUT_MS};
  struct bytes value;
  if (json_find_value(netconf, "daemonCommand", &value)) {
    /* The texts are separated by zero bytes: an empty first text begins with one, and a relative path with another character. */
    if (!json_read_strings(value, &on_demand.command, &on_demand.count) || on_demand.count == 0 || on_demand.command.data[0] != '/') {
      fail(CNI_INVALID_NETWORK_CONFIG,
           "daemonCommand of the network configuration is not an array of strings that begins with an absolute path", "");
    }
  }
  if (json_find_value(netconf, "daemonStartTimeoutMs", &value) &&
      (!json_read_unsigned(value, MAX_START_TIMEOUT_MS, &on_demand.start_timeout_ms) || on_demand.start_timeout_ms == 0)) {
    fail(CNI_INVALID_NETWORK_CONFIG, "daemonStartTimeoutMs of the network configuration is not a whole number from 1 to 600000", "");
  }
  return on_demand;
}

static const char *program_of(const struct on_demand *on_demand) { return (const char *)on_demand->command.data; }

/* One call's attempt to reach a daemon that does not serve yet. */
struct attempt {
  const struct on_demand *on_demand;
  const char *socket_path;
  struct on_demand_problem *problem;
  /* When to give up (clock_micros()). */
  int64_t end;
  struct on_demand_directory directory;
  enum {
    /* Another call may be starting it. */
    WAITING,
    /* This call starts it, unless another call has just done so. */
    LOCKED,
    STARTED,
  } phase;
  /* 0 when it has ended. */
  pid_t pid;
  /* As waitpid() gives it, once it has ended. */
  int status;
};

static bool give_up(struct attempt *attempt, enum cni_error code) {
  attempt->problem->code = code;
  return false;
}

/* "daemon /opt/multusd" */
static void say_program(struct buffer *out, const struct on_demand *on_demand) { buffer_say(out, "daemon ", program_of(on_demand)); }

static void say_output(const struct attempt *attempt, struct buffer *out) {
  struct buffer output = {0};
  on_demand_directory_append_output(&attempt->directory, &output);
  if (output.length == 0) {
    buffer_say(out, "It printed nothing.");
  } else {
    buffer_say(out, "It printed: ");
    buffer_append(out, output.data, output.length);
  }
  buffer_free(&output);
}

static bool start(struct attempt *attempt) {
  struct buffer *message = &attempt->problem->message;
  if (!on_demand_directory_open_output(&attempt->directory, message)) return give_up(attempt, CNI_IO_FAILURE);
  const struct on_demand *on_demand = attempt->on_demand;
  char **arguments = memory_take((on_demand->count + 1) * sizeof *arguments);
  char *text = (char *)on_demand->command.data;
  for (size_t i = 0; i < on_demand->count; i++) {
    arguments[i] = text;
    text += strlen(text) + 1;
  }
  arguments[on_demand->count] = NULL;
  attempt->pid = on_demand_start(arguments, attempt->directory.output);
  int error = errno;
  free(arguments);
  attempt->phase = STARTED;
  if (attempt->pid >= 0) return true;
  attempt->pid = 0;
  buffer_say(message, "cannot start the ");
  say_program(message, on_demand);
  buffer_say(message, ": ", strerror(error));
  buffer_say(&attempt->problem->details, "daemonCommand of the network configuration names it.");
  return give_up(attempt, CNI_IO_FAILURE);
}

static bool has_failed(const struct attempt *attempt) { return attempt->pid == 0 && attempt->status != 0; }

static bool report_failure(struct attempt *attempt) {
  struct buffer *message = &attempt->problem->message;
  bool was_killed = WIFSIGNALED(attempt->status);
  buffer_say(message, "the ");
  say_program(message, attempt->on_demand);
  buffer_say(message, was_killed ? " was ended by signal " : " ended with exit code ");
  buffer_append_unsigned(message, (unsigned)(was_killed ? WTERMSIG(attempt->status) : WEXITSTATUS(attempt->status)));
  buffer_say(message, " before it served ", attempt->socket_path);
  say_output(attempt, &attempt->problem->details);
  return give_up(attempt, CNI_TRY_AGAIN_LATER);
}

static bool report_too_late(struct attempt *attempt) {
  struct buffer *message = &attempt->problem->message;
  struct buffer *details = &attempt->problem->details;
  buffer_say(message, "the ");
  say_program(message, attempt->on_demand);
  buffer_say(message, " does not serve ", attempt->socket_path, " after ");
  buffer_append_unsigned(message, attempt->on_demand->start_timeout_ms);
  buffer_say(message, " ms");
  if (attempt->phase != STARTED) {
    buffer_say(message, ": another call is starting it");
    buffer_say(details, "That call says why.");
    return give_up(attempt, CNI_TRY_AGAIN_LATER);
  }
  if (attempt->pid > 0) {
    /* Otherwise every call would leave another process. */
    (void)kill(-attempt->pid, SIGKILL);
    buffer_say(message, " and was killed");
  } else {
    buffer_say(message, "; it ended with exit code 0");
  }
  say_output(attempt, details);
  buffer_say(details, " Its socketDir must be the daemonSocketDir of the network configuration; daemonStartTimeoutMs gives it more time.");
  return give_up(attempt, CNI_TRY_AGAIN_LATER);
}

/* Reaps the program if it has ended. A program that ended with exit code 0 has had another process start the daemon (`systemctl start`). */
static void look_for_end(struct attempt *attempt) {
  if (attempt->pid > 0 && waitpid(attempt->pid, &attempt->status, WNOHANG) == attempt->pid) attempt->pid = 0;
}

/* Takes the next step while no daemon listens. True: try to connect again after `*pause` milliseconds. False: give up, for the reason in `problem`. */
static bool advance(struct attempt *attempt, int *pause) {
  if (attempt->phase == STARTED && has_failed(attempt)) return report_failure(attempt);
  if (clock_micros() >= attempt->end) return report_too_late(attempt);
  *pause = attempt->phase == WAITING ? WAITING_STEP_MS : STARTED_STEP_MS;
  if (attempt->phase == LOCKED) return start(attempt);
  if (attempt->phase == STARTED) return true;

  struct buffer *message = &attempt->problem->message;
  if (attempt->directory.lock < 0 && !on_demand_directory_open(&attempt->directory, attempt->socket_path, message)) {
    return give_up(attempt, CNI_IO_FAILURE);
  }
  switch (on_demand_directory_lock(&attempt->directory, message)) {
    case LOCK_TAKEN:
      /* The former holder of the lock may have started the daemon since the last try to connect. */
      attempt->phase = LOCKED;
      *pause = 0;
      return true;
    case LOCK_BUSY:
      return true;
    case LOCK_FAILED:
      break;
  }
  return give_up(attempt, CNI_IO_FAILURE);
}

/* Waits `pause` milliseconds, or until a child ends. False, with errno EINTR: a signal asked the process to end. */
static bool wait_for(int pause, const struct signals *signals) {
  struct pollfd wait = {.fd = signals->fd, .events = POLLIN};
  bool child;
  if (poll(&wait, 1, pause) < 0) return errno == EINTR;
  if (wait.revents == 0 || signals_read(signals, &child) == 0) return true;
  errno = EINTR;
  return false;
}

int on_demand_open(const struct on_demand *on_demand, const char *socket_path, const struct signals *signals,
                   struct on_demand_problem *problem) {
  struct attempt attempt = {
      .on_demand = on_demand,
      .socket_path = socket_path,
      .problem = problem,
      .end = clock_micros() + (int64_t)on_demand->start_timeout_ms * MICROS_PER_MILLI,
      .directory = {-1, -1, -1},
  };
  int fd, pause = 0;
  for (;;) {
    /* Before the try to connect: a program that ended because another daemon serves the socket has not failed. */
    look_for_end(&attempt);
    fd = connection_try(socket_path, attempt.end - clock_micros());
    if (fd >= 0 || !connection_may_come(errno) || !advance(&attempt, &pause) || !wait_for(pause, signals)) break;
  }
  int error = errno;
  on_demand_directory_close(&attempt.directory);
  errno = error;
  return fd;
}

bool on_demand_can_start(const struct on_demand *on_demand, struct on_demand_problem *problem) {
  struct stat found;
  const char *program = program_of(on_demand);
  const char *why = NULL;
  if (stat(program, &found) != 0 || access(program, X_OK) != 0) {
    why = strerror(errno);
  } else if (!S_ISREG(found.st_mode)) {
    why = "it is not a regular file";
  }
  if (why == NULL) return true;
  problem->code = CNI_PLUGIN_NOT_AVAILABLE;
  buffer_say(&problem->message, "the ");
  say_program(&problem->message, on_demand);
  buffer_say(&problem->message, " does not run and cannot be started: ", why);
  buffer_say(&problem->details, "daemonCommand of the network configuration names it.");
  return false;
}
