/* Running delegates: starts plugins, passes their stdin, stdout and stderr, and stops them. */
#include "exec/delegates.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/files.h"
#include "wire/done.h"

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

/* Why a delegate has no exit code of its own. NOT_STARTED: `status` is the errno. */
enum stop_reason { NOT_STOPPED, STOPPED_BY_TIMEOUT, STOPPED_BY_SIZE, NOT_STARTED };

struct delegate {
  uint32_t id;
  /* 0: not started yet, or gone. */
  pid_t pid;
  enum stop_reason stopped;
  int status;
  uint64_t timeout_ms;

  char *file;
  /* Until it is started: its environment, and its ends of the pipes that are its stdin, stdout and stderr, all above 2. */
  struct environment environment;
  int child_ends[3];
  /* State of the file when it was found; "" if the order does not ask for it. */
  char file_state[PLUGIN_STATE_BYTES];

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

static void close_child_ends(struct delegate *delegate) {
  for (size_t i = 0; i < 3; i++) file_close(&delegate->child_ends[i]);
}

static void delegate_free(struct delegate *delegate) {
  close_child_ends(delegate);
  file_close(&delegate->input_fd);
  file_close(&delegate->output_fd);
  file_close(&delegate->stderr_fd);
  environment_free(&delegate->environment);
  free(delegate->file);
  buffer_free(&delegate->input);
  buffer_free(&delegate->output);
  free(delegate);
}

static bool open_pipe(int *read_end, int *write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  *read_end = ends[0];
  *write_end = ends[1];
  return true;
}

static bool open_pipes(struct delegate *delegate) {
  return open_pipe(&delegate->child_ends[0], &delegate->input_fd) &&
         open_pipe(&delegate->output_fd, &delegate->child_ends[1]) &&
         open_pipe(&delegate->stderr_fd, &delegate->child_ends[2]) &&
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
  file_close(&delegate->input_fd);
  buffer_free(&delegate->input);
}

static void keep_tail(struct delegate *delegate, const uint8_t *data, size_t length) {
  size_t kept = STDERR_BYTES - length < delegate->tail_length ? STDERR_BYTES - length : delegate->tail_length;
  memmove(delegate->tail, delegate->tail + delegate->tail_length - kept, kept);
  memcpy(delegate->tail + kept, data, length);
  delegate->tail_length = kept + length;
}

static bool is_pending(const struct delegate *delegate) { return delegate->pending_at < delegate->pending_length; }

/* Passes on the plugin's stderr if the shim's own takes it now: a runtime that does not read stderr must not block the shim. */
static void forward(struct delegate *delegate) {
  while (is_pending(delegate)) {
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) <= 0) return;
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
    file_close(&delegate->stderr_fd);
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
    file_close(&delegate->output_fd);
    return;
  }
  output->length += (size_t)length;
  if (output->length <= OUTPUT_MAX_BYTES) return;
  if (delegate->stopped == NOT_STOPPED) delegate->stopped = STOPPED_BY_SIZE;
  signal_group(delegate, SIGKILL);
  file_close(&delegate->output_fd);
  buffer_free(output);
}

/* Would a read return without blocking, with bytes or the end? */
static bool is_readable(int fd) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  return fd >= 0 && poll(&ready, 1, 0) > 0;
}

/* Runs in the child, in the memory of the suspended shim: it may only make system calls, and must leave no state changed. */
static _Noreturn void become(const struct delegate *delegate, const sigset_t *signal_mask, pid_t parent, volatile int *error) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  char *const arguments[] = {delegate->file, NULL};
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && setpgid(0, 0) == 0 &&
      /* The shim may have died before prctl() took effect. */
      getppid() == parent && dup2(delegate->child_ends[0], STDIN_FILENO) >= 0 &&
      dup2(delegate->child_ends[1], STDOUT_FILENO) >= 0 && dup2(delegate->child_ends[2], STDERR_FILENO) >= 0 &&
      sigaction(SIGPIPE, &standard, NULL) == 0 && sigprocmask(SIG_SETMASK, signal_mask, NULL) == 0) {
    execve(delegate->file, arguments, delegate->environment.list);
  }
  *error = errno == 0 ? ECHILD : errno;
  _exit(127);
}

/* Starts the plugin's process cheaply (the child shares the shim's memory until it executes the plugin), in its own process group; the kernel kills it if the
 * shim dies. Returns its process id, or -1 with errno. */
static pid_t spawn(const struct delegate *delegate, const sigset_t *signal_mask) {
  volatile int error = 0;
  pid_t parent = getpid();
  errno = 0;
  pid_t child = vfork();
  if (child == 0) become(delegate, signal_mask, parent, &error);
  if (child < 0 || error == 0) return child;
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  errno = error;
  return -1;
}

/* Starts the plugin. False, with errno: it cannot be started. True also if the start will be retried. */
static bool start(struct delegate *delegate, const sigset_t *signal_mask) {
  delegate->started = clock_micros();
  pid_t pid = spawn(delegate, signal_mask);
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

/* NULL, or "link-exists" or why that is unknown. */
static const char *look_for_absent_link(const struct order_link *link, struct buffer *problem) {
  bool exists;
  const char *error = link_look(link->netns, link->if_name, &exists, problem);
  if (error != NULL || !exists) return error;
  buffer_print(problem, "interface %.*s is already there in %.*s", BYTES_TEXT(link->if_name), BYTES_TEXT(link->netns));
  return "link-exists";
}

static void say_not_started(struct buffer *problem, const char *file, int error) {
  buffer_say(problem, "cannot start ", file, ": ", strerror(error));
}

void delegates_remember(struct delegates *delegates, uint32_t id) { delegates->succeeded[delegates->succeeded_count++ % DELEGATES_MAX] = id; }

/* Sends DONE, and remembers a success. */
static void say_ended(struct delegates *delegates, uint32_t id, const struct done_exec *end) {
  if (end->exit_code == 0) delegates_remember(delegates, id);
  done_exec(delegates->connection, id, end);
}

bool delegates_run(const struct delegates *delegates, uint32_t id) {
  for (size_t i = 0; i < delegates->count; i++) {
    if (delegates->running[i]->id == id) return true;
  }
  return false;
}

bool delegates_have_succeeded(const struct delegates *delegates, uint32_t id) {
  size_t count = delegates->succeeded_count < DELEGATES_MAX ? delegates->succeeded_count : DELEGATES_MAX;
  for (size_t i = 0; i < count; i++) {
    if (delegates->succeeded[i] == id) return true;
  }
  return false;
}

const char *delegates_exec(struct delegates *delegates, uint32_t id, const struct order_exec *order, const struct variable *variables,
                           struct buffer *problem) {
  struct stat status;
  char *file;
  const char *error = plugin_find(delegates->permissions->directories, order->plugin, order->path, &file, &status, problem);
  if (error != NULL) return error;
  struct delegate *delegate = memory_take(sizeof *delegate);
  *delegate = (struct delegate){
      .id = id,
      .timeout_ms = order->timeout_ms,
      .file = file,
      .child_ends = {-1, -1, -1},
      .input_fd = -1,
      .output_fd = -1,
      .stderr_fd = -1,
      .ended = INT64_MAX,
      .start_again = INT64_MAX,
      .deadline = INT64_MAX,
      .kill_at = INT64_MAX,
      .end_at = INT64_MAX,
      .start_until = clock_micros() + BUSY_PATIENCE,
  };
  bool is_unchanged = false;
  if (order->has_absent_link) error = look_for_absent_link(&order->absent_link, problem);
  if (error == NULL && order->has_file_state) {
    plugin_file_state(&status, delegate->file_state);
    is_unchanged = delegate->file_state[0] != 0 && bytes_equal_text(order->file_state, delegate->file_state);
    if (is_unchanged) say_ended(delegates, id, &(struct done_exec){.file_state = delegate->file_state});
  }
  if (error == NULL && !is_unchanged) {
    delegate->environment = environment_make(delegates->permissions->environment_base, variables);
    buffer_append_bytes(&delegate->input, order->input);
    bool is_open = open_pipes(delegate);
    /* Before the start, so that the plugin need not wait for its configuration. */
    if (is_open) feed(delegate);
    if (is_open && start(delegate, &delegates->signal_mask)) {
      delegates->running[delegates->count++] = delegate;
      return NULL;
    }
    say_not_started(problem, file, errno);
    error = "spawn";
  }
  delegate_free(delegate);
  return error;
}

size_t delegates_poll(struct delegates *delegates, struct pollfd *polls) {
  size_t count = 0;
  bool stderr_is_full = false;
  for (size_t i = 0; i < delegates->count; i++) {
    struct delegate *delegate = delegates->running[i];
    if (is_pending(delegate)) stderr_is_full = true;
    delegate->poll_at = count;
    /* poll() passes over negative descriptors. */
    polls[count++] = (struct pollfd){.fd = delegate->input_fd, .events = POLLOUT};
    polls[count++] = (struct pollfd){.fd = delegate->output_fd, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = is_pending(delegate) ? -1 : delegate->stderr_fd, .events = POLLIN};
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
  if (is_pending(delegate)) forward(delegate);
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
  while (!is_pending(delegate) && is_readable(delegate->stderr_fd)) read_stderr(delegate);
}

static void watch_clock(const struct delegates *delegates, struct delegate *delegate, int64_t now) {
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
  if (now >= delegate->start_again && !start(delegate, &delegates->signal_mask)) {
    delegate->status = errno;
    delegate->stopped = NOT_STARTED;
    delegate->start_again = INT64_MAX;
    delegate->ended = delegate->end_at = now;
  }
}

/* No further output can come. */
static bool is_over(const struct delegate *delegate, int64_t now) {
  if (delegate->ended == INT64_MAX) return false;
  return now >= delegate->end_at || (delegate->output_fd < 0 && delegate->stderr_fd < 0 && !is_pending(delegate));
}

static void report(struct delegates *delegates, const struct delegate *delegate) {
  struct buffer message = {0};
  const char *error = NULL;
  switch (delegate->stopped) {
    case NOT_STOPPED:
      break;
    case STOPPED_BY_TIMEOUT:
      error = "timeout";
      buffer_print(&message, "%s did not end within %" PRIu64 " ms and was killed", delegate->file, delegate->timeout_ms);
      break;
    case STOPPED_BY_SIZE:
      error = "too-large";
      buffer_say(&message, delegate->file, " printed more than 8 MiB on stdout and was killed");
      break;
    case NOT_STARTED:
      error = "spawn";
      say_not_started(&message, delegate->file, delegate->status);
      break;
  }
  if (error != NULL) {
    done_error(delegates->connection, delegate->id, error, buffer_text(&message));
  } else {
    int signal = WIFSIGNALED(delegate->status) ? WTERMSIG(delegate->status) : 0;
    struct done_exec end = {
        .exit_code = signal != 0 ? 128 + signal : WEXITSTATUS(delegate->status),
        .signal = signal,
        .micros = (uint64_t)(delegate->ended - delegate->started),
        .file_state = delegate->file_state,
        .stderr_tail = {delegate->tail, delegate->tail_length},
        .output = buffer_bytes(&delegate->output),
    };
    say_ended(delegates, delegate->id, &end);
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
