/* Reaches the daemon, and starts one on demand: one call runs `daemonCommand` of the netconf, and every call waits until the daemon serves. */
#include "on_demand/on_demand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "exec/environment.h"
#include "wire/connection.h"

enum {
  /* Milliseconds between two tries: of the call that has started the daemon, and of the calls that wait for it. */
  STARTED_STEP_MS = 5,
  WAITING_STEP_MS = 20,
  /* Shown of the daemon's output. */
  TAIL_BYTES = 2048,
};

/* Files in the socket's directory; the daemon knows both names (src/socket/directory.ts). */
static const char lock_name[] = "multus.lock";
static const char output_name[] = "multusd.stderr";

static const char named_by[] = "daemonCommand of the network configuration names it.";

/* A runtime's environment contains its proxies and credentials. Other variables can be set by env(1) in daemonCommand. */
static const char *const kept[] = {"PATH", "HOME", "LANG", "TZ"};
static const char kept_prefix[] = "MULTUS_";
/* For services without a PATH. */
static char usual_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/* Allocator settings that keep the daemon small; the Dockerfile has the same, and the reason. */
static char one_arena[] = "MALLOC_ARENA_MAX=1";
static char trim_threshold[] = "MALLOC_TRIM_THRESHOLD_=131072";

static const char *program_of(const struct on_demand *on_demand) { return (const char *)on_demand->command.data; }

/* One call's attempt to reach a daemon that does not serve yet. */
struct attempt {
  const struct on_demand *on_demand;
  const char *socket_path;
  struct failure *problem;
  /* When to give up (clock_micros()). */
  int64_t end;
  /* Descriptors, -1 if not open: the socket's directory, the lock that one call holds, the daemon's output. */
  int directory;
  int lock;
  int output;
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

/* Says that a file or directory cannot be used. Returns false. */
static bool give_up(struct attempt *attempt, const char *path, const char *why) {
  attempt->problem->code = CNI_IO_FAILURE;
  return problem_say(&attempt->problem->message, "%s: %s", path, why);
}

/* Opens the directory at `path`, made (0700) if missing. Refuses symbolic links, and a directory in which another user could replace its files. */
static bool open_directory(struct attempt *attempt, const char *path) {
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  struct stat found;
  attempt->directory = open(path, flags);
  if (attempt->directory < 0 && errno == ENOENT && file_make_directories(path, false)) attempt->directory = open(path, flags);
  if (attempt->directory < 0 || fstat(attempt->directory, &found) != 0) return give_up(attempt, path, strerror(errno));
  if (found.st_uid != geteuid() && found.st_uid != 0) return give_up(attempt, path, "it belongs to another user");
  return (found.st_mode & (S_IWGRP | S_IWOTH)) == 0 || give_up(attempt, path, "others can write in it");
}

/* Opens a file of the directory, created with mode 0600 if missing. */
static bool open_file(struct attempt *attempt, const char *name, int flags, int *fd) {
  struct stat found;
  /* O_NONBLOCK: opening a FIFO would block until its other end is opened. */
  *fd = openat(attempt->directory, name, flags | O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (*fd < 0 || fstat(*fd, &found) != 0) return give_up(attempt, name, strerror(errno));
  if (S_ISREG(found.st_mode)) return true;
  file_close(fd);
  return give_up(attempt, name, "it is not a regular file");
}

static bool open_lock(struct attempt *attempt) {
  /* Up to the socket's name, without trailing slashes: with one the kernel would follow a symbolic link. */
  char *path = bytes_copy_text(bytes_of_text(attempt->socket_path));
  char *end = strrchr(path, '/');
  while (end > path && end[-1] == '/') end--;
  end[end == path ? 1 : 0] = 0;
  bool is_open = open_directory(attempt, path);
  free(path);
  return is_open && open_file(attempt, lock_name, 0, &attempt->lock);
}

/* Says what the daemon has printed last. */
static void say_output(const struct attempt *attempt) {
  struct buffer output = {0};
  struct stat found;
  if (attempt->output >= 0 && fstat(attempt->output, &found) == 0) {
    buffer_reserve(&output, TAIL_BYTES);
    ssize_t length = pread(attempt->output, output.data, TAIL_BYTES, found.st_size > TAIL_BYTES ? found.st_size - TAIL_BYTES : 0);
    if (length > 0) output.length = (size_t)length;
    while (output.length > 0 && output.data[output.length - 1] == '\n') output.length--;
  }
  struct buffer *details = &attempt->problem->details;
  buffer_say(details, output.length == 0 ? "It printed nothing." : "It printed: ");
  buffer_append_bytes(details, buffer_bytes(&output));
  buffer_free(&output);
}

static bool is_kept(const char *entry) {
  struct bytes name = {(const uint8_t *)entry, strcspn(entry, "=")};
  if (bytes_equal_text(name, ENVIRONMENT_DELEGATE_MARK)) return false;
  if (strncmp(entry, kept_prefix, sizeof kept_prefix - 1) == 0) return true;
  for (size_t i = 0; i < COUNT_OF(kept); i++) {
    if (bytes_equal_text(name, kept[i])) return true;
  }
  return false;
}

/* A list for execve(), freed with free(); its texts belong to the shim's environment. */
static char **make_environment(void) {
  size_t own = 0, count = 0;
  while (environ[own] != NULL) own++;
  char **list = memory_take((own + 4) * sizeof *list);
  for (size_t i = 0; i < own; i++) {
    if (is_kept(environ[i])) list[count++] = environ[i];
  }
  if (getenv("PATH") == NULL) list[count++] = usual_path;
  list[count++] = one_arena;
  list[count++] = trim_threshold;
  list[count] = NULL;
  return list;
}

/* Runs in the child. `report` closes on a successful execve(); otherwise the errno is written to it. */
static _Noreturn void become(char *const *arguments, char *const *environment, int input, int output, int report) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  /* Fails for SIGKILL, SIGSTOP and the C library's own signals, which does not matter. */
  for (int signal = 1; signal < NSIG; signal++) (void)sigaction(signal, &standard, NULL);
  sigset_t none;
  (void)umask(S_IWGRP | S_IWOTH);
  if (sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0 && setsid() >= 0 && chdir("/") == 0 &&
      dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0 &&
      /* A runtime reads until every holder has closed the shim's stdout. execve() closes the shim's own descriptors, the lock's too. */
      file_close_inherited()) {
    (void)execve(arguments[0], arguments, environment);
  }
  int error = errno;
  (void)!write(report, &error, sizeof error);
  _exit(127);
}

/* Starts arguments[0], which outlives the shim, in its own session and process group. Its stdin is empty, stdout and stderr are `output`, no other descriptor
 * is open, signals have their defaults, the directory is / and the umask 022. It gets PATH, HOME, LANG, TZ and MULTUS_* of the shim's environment, and
 * settings for its C library's allocator. It is the shim's child, so that its end can be waited for.
 * Returns its process id, or -1 with errno if it could not be started. */
static pid_t spawn(char *const *arguments, int output) {
  int report[2] = {-1, -1}, error = 0;
  pid_t child = -1;
  int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input >= 0 && pipe2(report, O_CLOEXEC) == 0) {
    char **environment = make_environment();
    child = fork();
    if (child == 0) become(arguments, environment, input, output, report[1]);
    free(environment);
  }
  file_close(&input);
  file_close(&report[1]);
  /* The child's report on its execve(): the errno, or nothing if the program runs. */
  while (child > 0 && read(report[0], &error, sizeof error) < 0 && errno == EINTR) continue;
  file_close(&report[0]);
  if (error == 0) return child;
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  errno = error;
  return -1;
}

static bool start(struct attempt *attempt) {
  const struct on_demand *on_demand = attempt->on_demand;
  /* O_APPEND: the file gets no hole if another process truncates it or writes to it. */
  if (!open_file(attempt, output_name, O_TRUNC | O_APPEND, &attempt->output)) return false;
  char **arguments = memory_take((on_demand->count + 1) * sizeof *arguments);
  char *text = (char *)on_demand->command.data;
  for (size_t i = 0; i < on_demand->count; i++) {
    arguments[i] = text;
    text += strlen(text) + 1;
  }
  arguments[on_demand->count] = NULL;
  attempt->pid = spawn(arguments, attempt->output);
  int error = errno;
  free(arguments);
  attempt->phase = STARTED;
  if (attempt->pid >= 0) return true;
  attempt->pid = 0;
  attempt->problem->code = CNI_IO_FAILURE;
  buffer_say(&attempt->problem->details, named_by);
  return problem_say(&attempt->problem->message, "cannot start the daemon %s: %s", program_of(on_demand), strerror(error));
}

static bool report_failure(struct attempt *attempt) {
  bool was_killed = WIFSIGNALED(attempt->status);
  attempt->problem->code = CNI_TRY_AGAIN_LATER;
  say_output(attempt);
  return problem_say(&attempt->problem->message, "the daemon %s %s %d before it served %s", program_of(attempt->on_demand),
                     was_killed ? "was ended by signal" : "ended with exit code",
                     was_killed ? WTERMSIG(attempt->status) : WEXITSTATUS(attempt->status), attempt->socket_path);
}

static bool report_too_late(struct attempt *attempt) {
  struct buffer *details = &attempt->problem->details;
  const char *what = "; it ended with exit code 0";
  if (attempt->phase != STARTED) {
    what = ": another call is starting it";
    buffer_say(details, "That call says why.");
  } else {
    if (attempt->pid > 0) {
      /* Otherwise every call would leave another process. */
      (void)kill(-attempt->pid, SIGKILL);
      what = " and was killed";
    }
    say_output(attempt);
    buffer_say(details, " Its socketDir must be the daemonSocketDir of the network configuration; daemonStartTimeoutMs gives it more time.");
  }
  attempt->problem->code = CNI_TRY_AGAIN_LATER;
  return problem_say(&attempt->problem->message, "the daemon %s does not serve %s after %u ms%s", program_of(attempt->on_demand),
                     attempt->socket_path, attempt->on_demand->start_timeout_ms, what);
}

/* Takes the next step while no daemon listens. True: try to connect again after `*pause` milliseconds. False: give up, for the reason in `problem`. */
static bool advance(struct attempt *attempt, int *pause) {
  /* A program that ended with exit code 0 has had another process start the daemon (`systemctl start`). */
  if (attempt->phase == STARTED && attempt->pid == 0 && attempt->status != 0) return report_failure(attempt);
  if (clock_micros() >= attempt->end) return report_too_late(attempt);
  *pause = attempt->phase == WAITING ? WAITING_STEP_MS : STARTED_STEP_MS;
  if (attempt->phase == LOCKED) return start(attempt);
  if (attempt->phase == STARTED) return true;
  if (attempt->lock < 0 && !open_lock(attempt)) return false;
  /* The kernel releases the lock when its holder ends. */
  if (flock(attempt->lock, LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK || errno == EINTR || give_up(attempt, lock_name, strerror(errno));
  /* The former holder of the lock may have started the daemon since the last try to connect. */
  attempt->phase = LOCKED;
  *pause = 0;
  return true;
}

int on_demand_open(const struct on_demand *on_demand, const char *socket_path, int64_t until, const struct signals *signals,
                   struct failure *problem) {
  if (on_demand->count == 0) return connection_open(socket_path, until, signals);
  struct attempt attempt = {
      .on_demand = on_demand,
      .socket_path = socket_path,
      .problem = problem,
      .end = clock_micros() + (int64_t)on_demand->start_timeout_ms * MICROS_PER_MILLI,
      .directory = -1,
      .lock = -1,
      .output = -1,
  };
  int fd, pause = 0;
  for (;;) {
    /* Before the try to connect: a program that ended because another daemon serves the socket has not failed. */
    if (attempt.pid > 0 && waitpid(attempt.pid, &attempt.status, WNOHANG) == attempt.pid) attempt.pid = 0;
    fd = connection_try(socket_path, attempt.end - clock_micros());
    if (fd >= 0 || !connection_may_come(errno) || !advance(&attempt, &pause) || signals_wait(signals, -1, pause) == WAIT_SIGNALLED) break;
  }
  file_close(&attempt.output);
  file_close(&attempt.lock);
  file_close(&attempt.directory);
  return fd;
}

bool on_demand_can_start(const struct on_demand *on_demand, struct failure *problem) {
  struct stat found;
  const char *program = program_of(on_demand), *why = NULL;
  if (stat(program, &found) != 0 || access(program, X_OK) != 0) {
    why = strerror(errno);
  } else if (!S_ISREG(found.st_mode)) {
    why = "it is not a regular file";
  }
  if (why == NULL) return true;
  problem->code = CNI_PLUGIN_NOT_AVAILABLE;
  buffer_say(&problem->details, named_by);
  return problem_say(&problem->message, "the daemon %s does not run and cannot be started: %s", program, why);
}
