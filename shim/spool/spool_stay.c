/* The process that stays while recorded DELs wait, and has the daemon replay them (docs/wire.md, "The process that stays"). */
#include "spool/spool_stay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec/ask.h"
#include "base/clock.h"
#include "base/inherited.h"
#include "base/notice.h"
#include "spool/spool_directory.h"
#include "spool/spool_watch.h"

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
         dup2(nothing, STDERR_FILENO) >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && close(nothing) == 0 && inherited_close() &&
         setsid() >= 0 && chdir("/") == 0;
}

static bool is_there(const struct state *state) { return spool_directory_is(state->stay->cni_dir, state->directory); }

static bool waits(const struct state *state) { return is_there(state) && spool_directory_has_waiting(state->directory); }

/* Nothing waits. A shim that found the lock taken relies on this process for what it has recorded, so it looks once more when the lock is free.
 * False: there was nothing, or another process has the lock now. */
static bool goes_on(const struct state *state) {
  return is_there(state) && flock(state->directory, LOCK_UN) == 0 && waits(state) && flock(state->directory, LOCK_EX | LOCK_NB) == 0;
}

/* From here on changes of the directory are noticed; those before are seen by the look that follows. */
static void watch(struct state *state) {
  if (state->watch < 0) state->watch = spool_watch_open(state->directory);
  if (state->watch >= 0) (void)spool_watch_read(&state->watch);
  state->looked = clock_micros();
}

/* A daemon that this process has started on demand is its child, and must not stay a zombie. */
static void reap(void) {
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

/* Is there a reason to end a pause? `for_records`: a new record is one; that nothing waits any more always is. */
static bool has_news(struct state *state, bool for_records) {
  bool has_new = spool_watch_read(&state->watch) == SPOOL_WATCH_RECORD;
  state->looked = clock_micros();
  return (for_records && has_new) || !waits(state);
}

/* Sleeps until `until` (clock_micros()), or until has_news(). False: a signal asked the process to end. */
static bool rest(struct state *state, int64_t until, bool for_records) {
  const struct signals *signals = state->stay->signals;
  int64_t now = clock_micros();
  if (state->watch < 0 && until > now + UNWATCHED_PAUSE_MOST) until = now + UNWATCHED_PAUSE_MOST;
  for (; now < until; now = clock_micros()) {
    reap();
    int64_t next_look = state->looked + LEAST_PAUSE;
    bool looks = state->watch >= 0 && now >= next_look;
    int64_t then = state->watch >= 0 && !looks && next_look < until ? next_look : until;
    /* poll() passes over negative descriptors. */
    struct pollfd polls[] = {{.fd = signals->fd, .events = POLLIN}, {.fd = looks ? state->watch : -1, .events = POLLIN}};
    if (poll(polls, 2, clock_poll_timeout(now, then)) < 0 && errno != EINTR) return false;
    bool child;
    if (polls[0].revents != 0 && signals_read(signals, &child) != 0) return false;
    if (polls[1].revents != 0 && has_news(state, for_records)) return true;
  }
  return true;
}

/* The next pause between tries that fail. */
static int64_t grow_pause(struct state *state, int64_t most) {
  int64_t pause = state->pause < most ? state->pause : most;
  state->pause = state->pause < FAILED_PAUSE_MOST ? 2 * state->pause : FAILED_PAUSE_MOST;
  return pause;
}

enum outcome {
  /* The daemon has said when to ask again. */
  ASK_AGAIN,
  /* The daemon has said that nothing waits. */
  NOTHING_WAITS,
  /* Nobody listens. */
  ABSENT,
  /* There is a daemon, and it has not done what it was asked for. */
  FAILED,
  SIGNALLED,
};

static int open_daemon(const struct spool_stay *stay) {
  if (stay->on_demand->count == 0) return connection_open(stay->socket_path, 0, stay->signals);
  /* An ADD that fails for the same reason says it to the runtime. */
  struct on_demand_problem ignored = {0};
  int fd = on_demand_open(stay->on_demand, stay->socket_path, stay->signals, &ignored);
  int error = errno;
  if (fd < 0 && ignored.message.length > 0) error = ECONNREFUSED;
  buffer_free(&ignored.message);
  buffer_free(&ignored.details);
  errno = error;
  return fd;
}

/* Has the daemon replay what is due. `*again`: microseconds until it is to be asked again. */
static enum outcome ask(const struct spool_stay *stay, int64_t *again) {
  int fd = open_daemon(stay);
  if (fd < 0) return errno == EINTR ? SIGNALLED : ABSENT;
  struct serve_result result = ask_for_replay(fd, stay->cni_dir, stay->path, stay->directories, stay->signals);
  enum outcome outcome = FAILED;
  if (result.end == SERVE_SIGNALLED) outcome = SIGNALLED;
  /* One from before the role `replay` refuses it. */
  if (result.end == SERVE_REPLIED && result.exit_code == 0) outcome = result.has_again ? ASK_AGAIN : NOTHING_WAITS;
  *again = (int64_t)result.again_ms * MICROS_PER_MILLI;
  if (*again < LEAST_PAUSE) *again = LEAST_PAUSE;
  buffer_free(&result.output);
  buffer_free(&result.problem);
  return outcome;
}

/* One question to the daemon and the pause behind it. False: that was the last one. */
static bool take_turn(struct state *state) {
  int64_t again = 0;
  enum outcome outcome = ask(state->stay, &again);
  int64_t now = clock_micros();
  if (outcome == ASK_AGAIN || outcome == NOTHING_WAITS) state->answered = now;
  if (now - state->answered > (int64_t)UNANSWERED_HOURS_MOST * 3600 * MICROS_PER_SECOND) return false;
  switch (outcome) {
    case ASK_AGAIN:
      state->pause = FIRST_PAUSE;
      return rest(state, now + again, true);
    case NOTHING_WAITS:
      /* A pause also here: the daemon may not see what this process sees. */
      return goes_on(state) && rest(state, now + grow_pause(state, FAILED_PAUSE_MOST), false);
    case ABSENT:
      return rest(state, now + grow_pause(state, ABSENT_PAUSE_MOST), false);
    case FAILED:
      return rest(state, now + grow_pause(state, FAILED_PAUSE_MOST), false);
    case SIGNALLED:
      break;
  }
  return false;
}

/* The whole life of the process; it holds the lock on the directory. */
static _Noreturn void stay_for(const struct spool_stay *stay, int directory) {
  if (!detach()) _exit(1);
  struct state state = {.stay = stay, .directory = directory, .watch = -1, .answered = clock_micros(), .pause = FIRST_PAUSE};
  do {
    watch(&state);
  } while (waits(&state) ? take_turn(&state) : goes_on(&state));
  _exit(0);
}

void spool_stay_start(const struct spool_stay *stay) {
  int directory = spool_directory_open(stay->cni_dir);
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
  (void)close(directory);
}
