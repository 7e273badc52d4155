/* The process that stays while recorded DELs wait, and has the daemon replay them (docs/wire.md, "The process that stays"). */
#include "spool/spool_stay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "exec/ask.h"
#include "spool/spool_directory.h"

enum {
  /* Between two tries that fail: doubled with each, up to one of these. */
  FIRST_PAUSE = 1 * MICROS_PER_SECOND,
  ABSENT_PAUSE_MOST = 15 * MICROS_PER_SECOND,
  FAILED_PAUSE_MOST = 60 * MICROS_PER_SECOND,
  /* The shortest pause, whatever the daemon says and however fast the directory changes. */
  LEAST_PAUSE = 1 * MICROS_PER_SECOND,
  /* Without inotify. */
  UNWATCHED_PAUSE_MOST = 15 * MICROS_PER_SECOND,
  UNANSWERED_HOURS_MOST = 24,
  EVENTS_BYTES = 4096,
  /* More than the kernel keeps by default (16384 events). A directory that changes faster than it is read must not hold us. */
  READS_MAX = 512,
};

/* The process's knowledge of the daemon and of the directory. */
struct state {
  const struct spool_stay *stay;
  /* Open and locked. */
  int directory;
  /* inotify; -1: there is none now. */
  int watch;
  /* Moments: when the daemon last answered, and when the directory was last looked at. */
  int64_t answered;
  int64_t looked;
  int64_t pause;
};

/* Closes everything that belongs to the call; first stdout and stderr, whose end the runtime waits for. */
static bool detach(void) {
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  return prctl(PR_SET_NAME, "multus-spool") == 0 && nothing >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 &&
         dup2(nothing, STDERR_FILENO) >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && close(nothing) == 0 && file_close_inherited() &&
         setsid() >= 0 && chdir("/") == 0;
}

static bool is_there(const struct state *state) { return spool_directory_is(state->stay->cni_dir, state->directory); }

static bool waits(const struct state *state) { return is_there(state) && spool_directory_has_waiting(state->directory); }

/* Nothing waits. A shim that found the lock taken relies on this process for what it has recorded, so it looks once more when the lock is free.
 * False: there was nothing, or another process has the lock now. */
static bool goes_on(const struct state *state) {
  return is_there(state) && flock(state->directory, LOCK_UN) == 0 && waits(state) && flock(state->directory, LOCK_EX | LOCK_NB) == 0;
}

/* Notices from now on what is moved or removed in the directory; the kernel may refuse, or have no inotify left for this user. */
static void watch(struct state *state) {
  struct buffer path = {0};
  /* The open directory itself, not what has its name by now. */
  buffer_print(&path, "/proc/self/fd/%d", state->directory);
  state->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (state->watch >= 0 &&
      inotify_add_watch(state->watch, buffer_text(&path), IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0) {
    file_close(&state->watch);
  }
  buffer_free(&path);
}

/* A record gets its name from `.recording` or, from a person, from `failed-…`. The daemon renames records, whose names begin with a digit. */
static bool is_record(const struct inotify_event *event) {
  if ((event->mask & IN_Q_OVERFLOW) != 0) return true;
  return (event->mask & IN_MOVED_FROM) != 0 && event->len > 0 && (event->name[0] < '0' || event->name[0] > '9');
}

/* Reads all that has happened, at once. True: a record is new, or one that was set aside has its name back, or too much has happened to tell. Where no more
 * can be learned from the watch, it is closed. */
static bool has_new_record(struct state *state) {
  bool is_new = false, is_over = false;
  _Alignas(struct inotify_event) char events[EVENTS_BYTES];
  for (int reads = 0; state->watch >= 0 && reads < READS_MAX; reads++) {
    ssize_t length = read(state->watch, events, sizeof events);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) break;
    for (size_t at = 0; length > 0 && at < (size_t)length;) {
      const struct inotify_event *event = (const struct inotify_event *)(const void *)(events + at);
      is_new = is_new || is_record(event);
      is_over = is_over || (event->mask & IN_IGNORED) != 0;
      at += sizeof *event + event->len;
    }
    if (length <= 0 || is_over) file_close(&state->watch);
  }
  state->looked = clock_micros();
  return is_new;
}

/* A daemon that this process has started on demand is its child, and must not stay a zombie. */
static void reap(void) {
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

/* Sleeps until `until` (clock_micros()), or until nothing waits any more; with `for_records` also until a record is new.
 * False: a signal asked the process to end. */
static bool rest(struct state *state, int64_t until, bool for_records) {
  int64_t now = clock_micros();
  if (state->watch < 0 && until > now + UNWATCHED_PAUSE_MOST) until = now + UNWATCHED_PAUSE_MOST;
  for (; now < until; now = clock_micros()) {
    reap();
    int64_t next_look = state->looked + LEAST_PAUSE;
    bool looks = state->watch >= 0 && now >= next_look;
    int64_t then = state->watch >= 0 && !looks && next_look < until ? next_look : until;
    enum wait wait = signals_wait(state->stay->signals, looks ? state->watch : -1, clock_poll_timeout(now, then));
    if (wait == WAIT_SIGNALLED) return false;
    if (wait != WAIT_READABLE) continue;
    bool is_new = has_new_record(state);
    if ((for_records && is_new) || !waits(state)) return true;
  }
  return true;
}

/* The next pause between tries that fail. */
static int64_t grow_pause(struct state *state, int64_t most) {
  int64_t pause = state->pause < most ? state->pause : most;
  state->pause = state->pause < FAILED_PAUSE_MOST ? 2 * state->pause : FAILED_PAUSE_MOST;
  return pause;
}

/* One question to the daemon and the pause behind it. False: that was the last one. */
static bool take_turn(struct state *state) {
  const struct spool_stay *stay = state->stay;
  struct serve_result result = {.end = SERVE_DAEMON_GONE};
  /* An ADD that fails for the same reason says it to the runtime. */
  struct failure ignored = {0};
  int fd = on_demand_open(stay->on_demand, stay->socket_path, 0, stay->signals, &ignored);
  if (fd < 0 && errno == EINTR && ignored.message.length == 0) return false;
  failure_free(&ignored);
  if (fd >= 0) result = ask_for_replay(fd, stay->cni_dir, stay->path, stay->directories, stay->signals);
  int64_t now = clock_micros(), again = (int64_t)result.reply.again_ms * MICROS_PER_MILLI;
  /* A daemon from before the role `replay` refuses it. */
  bool is_answered = result.end == SERVE_REPLIED && result.reply.exit_code == 0;
  serve_result_free(&result);
  if (is_answered) state->answered = now;
  if (result.end == SERVE_SIGNALLED || now - state->answered > (int64_t)UNANSWERED_HOURS_MOST * 3600 * MICROS_PER_SECOND) return false;
  if (is_answered && result.reply.has_again) {
    state->pause = FIRST_PAUSE;
    return rest(state, now + (again < LEAST_PAUSE ? LEAST_PAUSE : again), true);
  }
  /* A pause also where the daemon says that nothing waits: it may not see what this process sees. */
  if (is_answered && !goes_on(state)) return false;
  return rest(state, now + grow_pause(state, fd < 0 ? ABSENT_PAUSE_MOST : FAILED_PAUSE_MOST), false);
}

/* The whole life of the process; it holds the lock on the directory. */
static _Noreturn void stay_for(const struct spool_stay *stay, int directory) {
  if (!detach()) _exit(1);
  struct state state = {.stay = stay, .directory = directory, .watch = -1, .answered = clock_micros(), .pause = FIRST_PAUSE};
  do {
    /* Changes from here on are noticed; those before are seen by the look that follows. */
    if (state.watch < 0) watch(&state);
    (void)has_new_record(&state);
  } while (waits(&state) ? take_turn(&state) : goes_on(&state));
  _exit(0);
}

void spool_stay_start(const struct spool_stay *stay) {
  int directory = spool_directory_open(stay->cni_dir, false);
  if (directory < 0) {
    if (errno != ENOENT) notice("cannot open the recorded DELs below ", stay->cni_dir, ": ", strerror(errno));
    return;
  }
  if (!spool_directory_has_waiting(directory)) {
    if (errno != 0) notice("cannot read the recorded DELs below ", stay->cni_dir, ": ", strerror(errno));
  } else if (flock(directory, LOCK_EX | LOCK_NB) == 0) {
    /* The child has the lock from its parent: it is on the open directory that both share until one of them is gone. */
    pid_t child = fork();
    if (child == 0) stay_for(stay, directory);
    if (child < 0) notice("cannot start a process for the recorded DELs: ", strerror(errno));
  }
  file_close(&directory);
}
