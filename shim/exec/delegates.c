/* Running delegates: starts plugins, passes their stdin, stdout and stderr, and stops them. */
#include "exec/delegates.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/done.h"
#include "base/failure.h"
#include "exec/file_state.h"
#include "net/netns.h"
#include "exec/spawn.h"

enum {
  OUTPUT_MAX_BYTES = 8 * 1024 * 1024,
  OUTPUT_READ_BYTES = 16 * 1024,
  /* PIPE_BUF: a write of at most this many bytes is atomic. Also the size of the tail of stderr that is kept. */
  STDERR_BYTES = 4096,
  /* From SIGTERM to SIGKILL. */
  TERM_PATIENCE = 2 * MICROS_PER_SECOND,
  /* How long a grandchild may hold stdout open after its plugin has ended. */
  END_PATIENCE = 1 * MICROS_PER_SECOND,
  /* Retries for a plugin that is just being written (ETXTBSY). */
  BUSY_STEP = 100 * MICROS_PER_MILLI,
  BUSY_PATIENCE = 5 * MICROS_PER_SECOND,
  KILL_PATIENCE = 1 * MICROS_PER_SECOND,
  KILL_STEP_MS = 5,
};

/* In place of the moment at which it ended. */
#define NEVER_STARTED INT64_MIN

/* Why the shim stopped a delegate. */
enum stop_reason { NOT_STOPPED, STOPPED_BY_TIMEOUT, STOPPED_BY_SIZE };

struct delegate {
  uint32_t id;
  /* 0: not started yet, or gone. */
  pid_t pid;
  enum stop_reason stopped;
  int status;
  uint64_t timeout_ms;

  /* Until it is started. */
  struct spawn spawn;
  char *file;
  struct environment environment;
  /* State of the file when it was found; "" if the order does not ask for it. */
  char file_state[FILE_STATE_BYTES];

  /* The shim's ends of its pipes, -1 when closed. */
  int input_fd;
  int output_fd;
  int stderr_fd;
  /* Places in the array of poll(). */
  size_t poll_at;

  struct buffer input;
  size_t input_written;
  struct buffer output;
  /* The tail of its stderr. */
  uint8_t tail[STDERR_BYTES];
  size_t tail_length;
  /* Bytes that the shim's own stderr has not taken yet. */
  uint8_t pending[STDERR_BYTES];
  size_t pending_at;
  size_t pending_length;

  /* Moments; INT64_MAX where there is none. */
  int64_t started;
  int64_t ended;
  int64_t start_again;
  int64_t start_until;
  int64_t deadline;
  int64_t kill_at;
  int64_t end_at;
};

static void close_descriptor(int *fd) {
  if (*fd < 0) return;
  /* The kernel closes the descriptor even on EINTR; EIO and the like do not happen to pipes. */
  if (close(*fd) != 0 && errno == EBADF) fail(CNI_INTERNAL, "a descriptor was closed twice", "");
  *fd = -1;
}

static void close_child_ends(struct delegate *delegate) {
  for (size_t i = 0; i < 3; i++) close_descriptor(&delegate->spawn.descriptors[i]);
}

static void delegate_free(struct delegate *delegate) {
  close_child_ends(delegate);
  close_descriptor(&delegate->input_fd);
  close_descriptor(&delegate->output_fd);
  close_descriptor(&delegate->stderr_fd);
  environment_free(&delegate->environment);
  free(delegate->file);
  buffer_free(&delegate->input);
  buffer_free(&delegate->output);
  free(delegate);
}

/* A pipe whose ends are 0 (to read) and 1 (to write). */
static bool open_pipe(int *read_end, int *write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  *read_end = ends[0];
  *write_end = ends[1];
  return true;
}

static bool open_pipes(struct delegate *delegate) {
  return open_pipe(&delegate->spawn.descriptors[0], &delegate->input_fd) &&
         open_pipe(&delegate->output_fd, &delegate->spawn.descriptors[1]) &&
         open_pipe(&delegate->stderr_fd, &delegate->spawn.descriptors[2]) &&
         fcntl(delegate->input_fd, F_SETFL, O_NONBLOCK) == 0;
}

/* Writes to the plugin's stdin as much as its pipe takes. A plugin need not read all of it. */
static void feed(struct delegate *delegate) {
  while (delegate->input_written < delegate->input.length) {
    ssize_t written = write(delegate->input_fd, delegate->input.data + delegate->input_written,
                            delegate->input.length - delegate->input_written);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) break;
    delegate->input_written += (size_t)written;
  }
  close_descriptor(&delegate->input_fd);
  buffer_free(&delegate->input);
}

static void keep_tail(struct delegate *delegate, const uint8_t *data, size_t length) {
  size_t kept = STDERR_BYTES - length < delegate->tail_length ? STDERR_BYTES - length : delegate->tail_length;
  memmove(delegate->tail, delegate->tail + delegate->tail_length - kept, kept);
  memcpy(delegate->tail + kept, data, length);
  delegate->tail_length = kept + length;
}

/* Passes on the plugin's stderr if the shim's own takes it now: a runtime that does not read stderr must not block the shim. */
static void forward(struct delegate *delegate) {
  while (delegate->pending_at < delegate->pending_length) {
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) <= 0 || (ready.revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL)) == 0) return;
    ssize_t written = write(STDERR_FILENO, delegate->pending + delegate->pending_at, delegate->pending_length - delegate->pending_at);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (written < 0) break;
    delegate->pending_at += (size_t)written;
  }
  delegate->pending_at = delegate->pending_length = 0;
}

static void read_stderr(struct delegate *delegate) {
  ssize_t length = read(delegate->stderr_fd, delegate->pending, sizeof delegate->pending);
  if (length < 0 && errno == EINTR) return;
  if (length <= 0) {
    close_descriptor(&delegate->stderr_fd);
    return;
  }
  delegate->pending_length = (size_t)length;
  keep_tail(delegate, delegate->pending, delegate->pending_length);
  forward(delegate);
}

static void signal_group(const struct delegate *delegate, int signal) {
  /* ESRCH: the group is empty. */
  if (delegate->pid > 0 && kill(-delegate->pid, signal) != 0 && errno != ESRCH && errno != EPERM) {
    fail_errno(CNI_INTERNAL, "cannot signal a plugin", errno);
  }
}

static void read_output(struct delegate *delegate) {
  struct buffer *output = &delegate->output;
  buffer_reserve(output, OUTPUT_READ_BYTES);
  ssize_t length = read(delegate->output_fd, output->data + output->length, output->capacity - output->length);
  if (length < 0 && errno == EINTR) return;
  if (length <= 0) {
    close_descriptor(&delegate->output_fd);
    return;
  }
  output->length += (size_t)length;
  if (output->length <= OUTPUT_MAX_BYTES) return;
  if (delegate->stopped == NOT_STOPPED) delegate->stopped = STOPPED_BY_SIZE;
  signal_group(delegate, SIGKILL);
  close_descriptor(&delegate->output_fd);
  buffer_free(output);
}

/* Would a read return without blocking, with bytes or the end? */
static bool is_readable(int fd) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  return fd >= 0 && poll(&ready, 1, 0) > 0;
}

/* Starts the plugin. False, with errno: it cannot be started. True also if the start will be retried. */
static bool start(struct delegate *delegate) {
  delegate->started = clock_micros();
  pid_t pid = spawn_process(&delegate->spawn);
  if (pid < 0 && errno == ETXTBSY && delegate->started < delegate->start_until) {
    delegate->start_again = delegate->started + BUSY_STEP;
    return true;
  }
  if (pid < 0) return false;
  delegate->pid = pid;
  delegate->start_again = INT64_MAX;
  if (delegate->timeout_ms > 0) delegate->deadline = delegate->started + (int64_t)delegate->timeout_ms * MICROS_PER_MILLI;
  close_child_ends(delegate);
  environment_free(&delegate->environment);
  return true;
}

static void report_spawn_error(struct delegates *delegates, uint32_t id, const char *what, int error) {
  struct buffer message = {0};
  buffer_say(&message, "cannot start ", what, ": ", strerror(error));
  done_error(delegates->connection, id, "spawn", buffer_text(&message));
  buffer_free(&message);
}

/* Finds the file and, if the order asks for it, reads its state and looks for the link. False: DONE has been sent. */
static bool may_start(struct delegates *delegates, uint32_t id, const struct order_exec *order, char **file,
                      char file_state[FILE_STATE_BYTES]) {
  struct stat status;
  struct buffer problem = {0};
  const char *error = NULL;
  switch (plugin_find(delegates->permissions->directories, order->plugin, order->path, file, &status, &problem)) {
    case PLUGIN_FOUND:
      break;
    case PLUGIN_NOT_FOUND:
      error = "not-found";
      break;
    case PLUGIN_REFUSED:
      error = "refused";
      break;
  }
  if (error == NULL && order->has_absent_link) {
    switch (link_look(order->absent_link.netns, order->absent_link.if_name, &problem)) {
      case LINK_ABSENT:
        break;
      case LINK_PRESENT:
        error = "link-exists";
        buffer_say(&problem, "interface ");
        buffer_append_bytes(&problem, order->absent_link.if_name);
        buffer_say(&problem, " is already there in ");
        buffer_append_bytes(&problem, order->absent_link.netns);
        break;
      case LINK_NO_NETNS:
        error = "netns";
        break;
      case LINK_UNKNOWN:
        error = "failed";
        break;
    }
    if (error != NULL) free(*file);
  }
  if (error != NULL) done_error(delegates->connection, id, error, buffer_text(&problem));
  buffer_free(&problem);
  file_state[0] = '\0';
  if (error != NULL) return false;
  if (!order->has_file_state) return true;
  file_state_write(&status, file_state);
  if (file_state[0] == '\0' || !bytes_equal_text(order->file_state, file_state)) return true;
  struct buffer nothing = {0};
  done_exec(delegates->connection, id, 0, 0, 0, (struct bytes){0}, file_state, &nothing);
  free(*file);
  return false;
}

void delegates_exec(struct delegates *delegates, uint32_t id, const struct order_exec *order) {
  char *file;
  char file_state[FILE_STATE_BYTES];
  if (!may_start(delegates, id, order, &file, file_state)) return;
  struct delegate *delegate = memory_take(sizeof *delegate);
  /* Field by field: the large arrays need no zeroes. */
  delegate->id = id;
  delegate->pid = 0;
  delegate->stopped = NOT_STOPPED;
  delegate->status = 0;
  delegate->timeout_ms = order->timeout_ms;
  delegate->file = file;
  memcpy(delegate->file_state, file_state, sizeof file_state);
  delegate->environment = environment_make(delegates->permissions->environment_base, order->environment, order->without_netns);
  delegate->spawn = (struct spawn){
      .file = file,
      .environment = delegate->environment.list,
      .descriptors = {-1, -1, -1},
      .signal_mask = &delegates->signal_mask,
  };
  delegate->input_fd = delegate->output_fd = delegate->stderr_fd = -1;
  delegate->input = delegate->output = (struct buffer){0};
  delegate->input_written = delegate->tail_length = delegate->pending_at = delegate->pending_length = 0;
  delegate->ended = delegate->start_again = delegate->deadline = delegate->kill_at = delegate->end_at = INT64_MAX;
  delegate->start_until = clock_micros() + BUSY_PATIENCE;

  if (!open_pipes(delegate)) {
    report_spawn_error(delegates, id, file, errno);
    delegate_free(delegate);
    return;
  }
  buffer_append_bytes(&delegate->input, order->input);
  /* Before the start, so that the plugin need not wait for its configuration. */
  feed(delegate);
  if (!start(delegate)) {
    report_spawn_error(delegates, id, file, errno);
    delegate_free(delegate);
    return;
  }
  delegates->running[delegates->count++] = delegate;
}

size_t delegates_poll(struct delegates *delegates, struct pollfd *polls) {
  size_t count = 0;
  bool stderr_is_full = false;
  for (size_t i = 0; i < delegates->count; i++) {
    struct delegate *delegate = delegates->running[i];
    bool is_pending = delegate->pending_at < delegate->pending_length;
    if (is_pending) stderr_is_full = true;
    delegate->poll_at = count;
    /* poll() passes over negative descriptors. */
    polls[count++] = (struct pollfd){.fd = delegate->input_fd, .events = POLLOUT};
    polls[count++] = (struct pollfd){.fd = delegate->output_fd, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = is_pending ? -1 : delegate->stderr_fd, .events = POLLIN};
  }
  if (stderr_is_full) polls[count++] = (struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT};
  return count;
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t delegates_next_moment(const struct delegates *delegates) {
  int64_t next = INT64_MAX;
  for (size_t i = 0; i < delegates->count; i++) {
    const struct delegate *delegate = delegates->running[i];
    next = earlier(next, earlier(delegate->start_again, delegate->end_at));
    if (delegate->pid > 0) next = earlier(next, earlier(delegate->deadline, delegate->kill_at));
  }
  return next;
}

static void move_bytes(struct delegate *delegate, const struct pollfd *polls) {
  const struct pollfd *own = polls + delegate->poll_at;
  if (delegate->pending_at < delegate->pending_length) forward(delegate);
  if (delegate->input_fd >= 0 && own[0].revents != 0) feed(delegate);
  if (delegate->output_fd >= 0 && own[1].revents != 0) read_output(delegate);
  if (delegate->stderr_fd >= 0 && own[2].revents != 0) read_stderr(delegate);
}

/* Reaps a delegate if it has ended. */
static void reap(struct delegate *delegate, int64_t now) {
  if (delegate->pid == 0) return;
  if (delegate->stopped != NOT_STOPPED) {
    /* Kill the processes that it started, too, while the group's number is still its own. */
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)delegate->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    signal_group(delegate, SIGKILL);
  }
  pid_t pid = waitpid(delegate->pid, &delegate->status, WNOHANG);
  if (pid == 0 || (pid < 0 && errno == EINTR)) return;
  if (pid < 0) fail_errno(CNI_INTERNAL, "cannot wait for a plugin", errno);
  delegate->pid = 0;
  delegate->ended = now;
  delegate->end_at = now + END_PATIENCE;
  /* Usually the pipes hold all of its output by now. */
  while (is_readable(delegate->output_fd)) read_output(delegate);
  while (delegate->pending_at == delegate->pending_length && is_readable(delegate->stderr_fd)) read_stderr(delegate);
}

static void watch_clock(struct delegates *delegates, struct delegate *delegate, int64_t now) {
  if (delegate->pid > 0 && now >= delegate->deadline) {
    delegate->stopped = STOPPED_BY_TIMEOUT;
    delegate->deadline = INT64_MAX;
    delegate->kill_at = now + TERM_PATIENCE;
    signal_group(delegate, SIGTERM);
  }
  if (delegate->pid > 0 && now >= delegate->kill_at) {
    delegate->kill_at = INT64_MAX;
    signal_group(delegate, SIGKILL);
  }
  if (now >= delegate->start_again && !start(delegate)) {
    report_spawn_error(delegates, delegate->id, delegate->file, errno);
    delegate->start_again = INT64_MAX;
    delegate->ended = NEVER_STARTED;
    delegate->end_at = now;
  }
}

/* No further output can come. */
static bool is_over(const struct delegate *delegate, int64_t now) {
  if (delegate->ended == INT64_MAX) return false;
  bool silent = delegate->output_fd < 0 && delegate->stderr_fd < 0 && delegate->pending_at == delegate->pending_length;
  return silent || now >= delegate->end_at;
}

static void report(struct delegates *delegates, struct delegate *delegate) {
  /* Never started: DONE has been sent. */
  if (delegate->ended == NEVER_STARTED) return;
  struct buffer message = {0};
  switch (delegate->stopped) {
    case NOT_STOPPED: {
      int signal = WIFSIGNALED(delegate->status) ? WTERMSIG(delegate->status) : 0;
      int exit_code = signal != 0 ? 128 + signal : WEXITSTATUS(delegate->status);
      struct bytes tail = {delegate->tail, delegate->tail_length};
      uint64_t micros = (uint64_t)(delegate->ended - delegate->started);
      done_exec(delegates->connection, delegate->id, exit_code, signal, micros, tail, delegate->file_state, &delegate->output);
      return;
    }
    case STOPPED_BY_TIMEOUT:
      buffer_say(&message, delegate->file, " did not end within ");
      buffer_append_unsigned(&message, delegate->timeout_ms);
      buffer_say(&message, " ms and was killed");
      done_error(delegates->connection, delegate->id, "timeout", buffer_text(&message));
      break;
    case STOPPED_BY_SIZE:
      buffer_say(&message, delegate->file, " printed more than 8 MiB on stdout and was killed");
      done_error(delegates->connection, delegate->id, "too-large", buffer_text(&message));
      break;
  }
  buffer_free(&message);
}

void delegates_advance(struct delegates *delegates, const struct pollfd *polls, bool child) {
  int64_t now = clock_micros();
  for (size_t i = 0; i < delegates->count;) {
    struct delegate *delegate = delegates->running[i];
    move_bytes(delegate, polls);
    if (child) reap(delegate, now);
    watch_clock(delegates, delegate, now);
    if (!is_over(delegate, now)) {
      i++;
      continue;
    }
    report(delegates, delegate);
    delegate_free(delegate);
    delegates->running[i] = delegates->running[--delegates->count];
  }
}

void delegates_kill(struct delegates *delegates) {
  for (size_t i = 0; i < delegates->count; i++) signal_group(delegates->running[i], SIGKILL);
  int64_t end = clock_micros() + KILL_PATIENCE;
  for (size_t i = 0; i < delegates->count; i++) {
    struct delegate *delegate = delegates->running[i];
    while (delegate->pid > 0 && waitpid(delegate->pid, NULL, WNOHANG) == 0 && clock_micros() < end) {
      if (poll(NULL, 0, KILL_STEP_MS) < 0 && errno != EINTR) break;
    }
    delegate_free(delegate);
  }
  delegates->count = 0;
}
