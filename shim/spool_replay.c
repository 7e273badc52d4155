/* Doing what is recorded, now that a daemon is there (docs/wire.md, "The replay"). */
#define _GNU_SOURCE
#include "spool_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "inherited.h"
#include "netns_use.h"
#include "notice.h"
#include "spool_turns.h"

enum {
  /* How long one that another process is doing is waited for. */
  LOCK_PATIENCE = 30 * MICROS_PER_SECOND,
  /* A container's records are looked for again after someone else has done one of them. */
  ROUNDS_MAX = 3,
  /* Of a child: the daemon has just answered, so it is there. */
  CHILD_CONNECT_PATIENCE = 1 * MICROS_PER_SECOND,
  CHILD_RECORD_SECONDS = 120,
  CHILD_BEGINS_UNTIL = 150 * MICROS_PER_SECOND,
};

enum outcome {
  /* Done with: carried out, or no record. */
  DONE,
  /* It stays, those of its container wait for it, and others go on. */
  LEFT,
  /* It is not there any more, or has another name. */
  GONE,
  /* No daemon; errno says why. */
  UNREACHABLE,
};

static enum outcome unreachable(int error) {
  errno = error;
  return UNREACHABLE;
}

/* What the end of a replayed request means for its record. `timed_out`: the signal that ended it was our own. `is_due`: a try before its time is not counted, as a
 * runtime that repeats its DEL would use them all up in minutes. */
static enum outcome judge(int directory, int fd, const struct spool_entry *entry, const struct serve_result *result, bool timed_out,
                          bool is_due) {
  switch (result->end) {
    case SERVE_REPLIED:
      if (result->retry) return unreachable(ECONNREFUSED);
      if (result->exit_code != 0) break;
      if (spool_remove(directory, entry)) return DONE;
      /* Whoever finds it does it once more, and later. */
      notice("cannot remove a recorded DEL that is done: ", entry->name, ": ", strerror(errno));
      break;
    case SERVE_DAEMON_HANGS:
      /* It knows nothing of it, or hangs over it. */
      if (result->has_begun && is_due) spool_count_try(directory, fd, entry, SPOOL_TRIES_MAX);
      return unreachable(ETIMEDOUT);
    case SERVE_DAEMON_GONE:
    case SERVE_BROKEN:
      if (is_due) spool_count_try(directory, fd, entry, SPOOL_CRASHES_MAX);
      return unreachable(ECONNRESET);
    case SERVE_SIGNALLED:
      if (timed_out) break;
      return unreachable(EINTR);
  }
  if (is_due) spool_count_try(directory, fd, entry, SPOOL_TRIES_MAX);
  return LEFT;
}

/* Is what is at the path of its namespace still that one, and left to it? The daemon can write to the directory of the records: one that
 * names a namespace in which processes run would give it a running pod's. */
static bool has_still_its_netns(const struct spool_record *record) {
  struct netns_identity now = netns_identify(record->request.netns);
  return netns_identity_equals(&now, &record->netns) && netns_use_of(record->request.netns) == NETNS_LEFT;
}

/* Does a record that is ours: locked, and still of its name. */
static enum outcome replay_locked(int directory, int fd, const struct spool_entry *entry, const struct spool_peer *peer,
                                  int64_t connect_until, int64_t limit) {
  struct spool_record record;
  struct buffer problem = {0};
  if (!spool_can_remove(directory, entry->name)) {
    notice("a recorded DEL is not carried out, as it could not be removed afterwards: ", entry->name, ": ", strerror(errno));
    return LEFT;
  }
  if (!spool_file_read(fd, entry, &record, &problem)) {
    bool is_aside = spool_set_aside(directory, entry->name, buffer_text(&problem));
    buffer_free(&problem);
    return is_aside ? DONE : LEFT;
  }
  enum outcome outcome = UNREACHABLE;
  int connection = connection_open(peer->socket_path, connect_until, peer->signals);
  int error = errno;
  if (connection >= 0) {
    struct request request = record.request;
    if (!has_still_its_netns(&record)) request.netns = "";
    bool is_due = spool_entry_is_due(directory, entry);
    unsigned tries_left = is_due && entry->tries < SPOOL_TRIES_MAX ? SPOOL_TRIES_MAX - entry->tries : SPOOL_TRIES_MAX;
    struct serve_result result = ask_daemon(connection, &request, peer->directories, peer->signals, tries_left);
    outcome = judge(directory, fd, entry, &result, clock_micros() >= limit, is_due);
    error = errno;
    buffer_free(&result.output);
    buffer_free(&result.problem);
  }
  spool_record_free(&record);
  errno = error;
  return outcome;
}

/* Waits until no other process does this record. */
static enum outcome lock(int fd, const struct spool_peer *peer, int64_t until) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return LEFT;
    if (!connection_wait(until, peer->signals)) return errno == EINTR ? UNREACHABLE : LEFT;
  }
  return DONE;
}

/* Does one record. `lock_until` bounds the wait for one that another process is just doing, `limit` is when SIGALRM comes (all clock_micros()). */
static enum outcome replay(int directory, const struct spool_entry *entry, const struct spool_peer *peer, int64_t connect_until,
                           int64_t lock_until, int64_t limit) {
  int fd = spool_file_open(directory, entry->name);
  if (fd < 0 && errno == ENOENT) return GONE;
  if (fd < 0 && errno == ELOOP) return spool_set_aside(directory, entry->name, "it is a symbolic link") ? DONE : LEFT;
  if (fd < 0) {
    notice("cannot open the recorded DEL ", entry->name, ": ", strerror(errno));
    return LEFT;
  }
  enum outcome outcome = lock(fd, peer, lock_until);
  if (outcome == DONE) {
    outcome = spool_file_is(directory, entry->name, fd) ? replay_locked(directory, fd, entry, peer, connect_until, limit) : GONE;
  }
  int error = errno;
  (void)close(fd);
  errno = error;
  return outcome;
}

void spool_look(const char *cni_dir, struct spool *spool) {
  *spool = (struct spool){.directory = spool_directory_open(cni_dir)};
  if (spool->directory < 0 && errno != ENOENT) notice("cannot open the recorded DELs below ", cni_dir, ": ", strerror(errno));
  if (spool->directory >= 0 && !spool_list_read(spool->directory, &spool->list)) {
    notice("cannot read the recorded DELs below ", cni_dir, ": ", strerror(errno));
  }
}

void spool_close(struct spool *spool) {
  spool_list_free(&spool->list);
  if (spool->directory >= 0) (void)close(spool->directory);
  spool->directory = -1;
}

bool spool_has_of(const struct spool *spool, const char *container_id) {
  for (size_t i = 0; i < spool->list.count; i++) {
    if (spool_entry_is_of(&spool->list.entries[i], container_id)) return true;
  }
  return false;
}

/* Is the open file a record of just this DEL? */
static bool is_of_request(int fd, const struct spool_entry *entry, const struct request *request) {
  struct spool_record record;
  struct buffer problem = {0};
  if (strcmp(request->command, "DEL") != 0) return false;
  bool is_record = spool_file_read(fd, entry, &record, &problem);
  bool is_equal = is_record && spool_record_equals(&record, request);
  if (is_record) spool_record_free(&record);
  buffer_free(&problem);
  return is_equal;
}

static bool is_recorded_request(int directory, const struct spool_entry *entry, const struct request *request) {
  int fd = spool_file_open(directory, entry->name);
  bool is_equal = fd >= 0 && is_of_request(fd, entry, request);
  if (fd >= 0) (void)close(fd);
  return is_equal;
}

/* Does the container's records of a list. GONE: another process has done one, or renamed it. */
static enum outcome replay_listed(int directory, const struct spool_list *list, const struct spool_peer *peer,
                                  const struct request *request, int64_t until) {
  enum outcome outcome = DONE;
  int64_t lock_until = clock_micros() + LOCK_PATIENCE;
  for (size_t i = 0; i < list->count && outcome == DONE; i++) {
    const struct spool_entry *entry = &list->entries[i];
    if (!spool_entry_is_of(entry, request->container_id) || is_recorded_request(directory, entry, request)) continue;
    outcome = replay(directory, entry, peer, until, lock_until, INT64_MAX);
  }
  return outcome;
}

enum spool_own spool_replay_own(const struct spool *spool, const struct spool_peer *peer, const struct request *request, int64_t until) {
  enum outcome outcome = replay_listed(spool->directory, &spool->list, peer, request, until);
  for (int round = 1; outcome == GONE && round < ROUNDS_MAX; round++) {
    struct spool_list list;
    outcome = spool_list_read(spool->directory, &list) ? replay_listed(spool->directory, &list, peer, request, until) : LEFT;
    int error = errno;
    spool_list_free(&list);
    errno = error;
  }
  if (outcome == UNREACHABLE) return SPOOL_OWN_UNREACHABLE;
  return outcome == DONE ? SPOOL_OWN_DONE : SPOOL_OWN_LEFT;
}

void spool_forget(const struct spool *spool, const struct request *request) {
  for (size_t i = 0; i < spool->list.count; i++) {
    const struct spool_entry *entry = &spool->list.entries[i];
    if (!spool_entry_is_of(entry, request->container_id)) continue;
    int fd = spool_file_open(spool->directory, entry->name);
    if (fd < 0) continue;
    /* Where it cannot be removed, its replay does no harm. */
    if (is_of_request(fd, entry, request) && flock(fd, LOCK_EX | LOCK_NB) == 0 && spool_file_is(spool->directory, entry->name, fd)) {
      (void)spool_remove(spool->directory, entry);
    }
    (void)close(fd);
  }
}

/* Lets go of everything that belongs to the call; first of stdout and stderr, whose end the runtime waits for. */
static bool detach(void) {
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  return prctl(PR_SET_NAME, "multus-spool") == 0 && nothing >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 &&
         dup2(nothing, STDERR_FILENO) >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && close(nothing) == 0 && inherited_close() &&
         setsid() >= 0 && chdir("/") == 0;
}

/* Nothing is said of one that cannot be removed: every call would. */
static bool is_to_do(int directory, const struct spool_entry *entry, const struct buffer *passed_over) {
  return spool_entry_is_due(directory, entry) && !buffer_has_text(passed_over, bytes_of_text(spool_entry_container(entry))) &&
         spool_can_remove(directory, entry->name);
}

static bool has_work(int directory, const struct spool_list *list, const struct buffer *passed_over) {
  for (size_t i = 0; i < list->count; i++) {
    if (is_to_do(directory, &list->entries[i], passed_over)) return true;
  }
  return false;
}

/* Does what is due, but for the containers in `passed_over`. False: that was all for now. */
static bool replay_turns(int directory, struct spool_turns *turns, const struct spool_peer *peer, int64_t begins_until,
                         const struct buffer *passed_over) {
  struct spool_turn *turn;
  while ((turn = spool_turns_next(turns)) != NULL) {
    const char *container_id = spool_entry_container(turn->entry);
    if (buffer_has_text(passed_over, bytes_of_text(container_id))) {
      turn->state = TURN_LEFT;
      continue;
    }
    int64_t now = clock_micros();
    if (now >= begins_until) return false;
    (void)alarm(CHILD_RECORD_SECONDS);
    enum outcome outcome = replay(directory, turn->entry, peer, now + CHILD_CONNECT_PATIENCE, now,
                                  now + (int64_t)CHILD_RECORD_SECONDS * MICROS_PER_SECOND);
    (void)alarm(0);
    if (outcome == UNREACHABLE) return false;
    spool_turns_note(turns, turn, outcome == DONE);
  }
  return true;
}

/* Appends the containers of which a record was left: not due, failed, or behind such a one. */
static void append_left(const struct spool_turns *turns, struct buffer *containers) {
  for (size_t i = 0; i < turns->count; i++) {
    if (turns->turns[i].state != TURN_LEFT) continue;
    const char *container_id = spool_entry_container(turns->turns[i].entry);
    if (!buffer_has_text(containers, bytes_of_text(container_id))) buffer_append(containers, container_id, strlen(container_id) + 1);
  }
}

/* The same for a list. Containers of which a record was left go into `passed_over`. */
static bool replay_due(int directory, const struct spool_list *list, const struct spool_peer *peer, int64_t begins_until,
                       struct buffer *passed_over) {
  struct spool_turns turns;
  spool_turns_make(directory, list, &turns);
  bool goes_on = replay_turns(directory, &turns, peer, begins_until, passed_over);
  append_left(&turns, passed_over);
  spool_turns_free(&turns);
  return goes_on;
}

/* The whole life of the child; it holds the lock on the directory. */
static _Noreturn void replay_all(int directory, const struct spool_peer *peer) {
  if (!detach()) _exit(1);
  signals_take_alarm(peer->signals);
  int64_t begins_until = clock_micros() + CHILD_BEGINS_UNTIL;
  struct buffer passed_over = {0};
  struct spool_list list;
  do {
    if (!spool_list_read(directory, &list) || !replay_due(directory, &list, peer, begins_until, &passed_over)) break;
    spool_list_free(&list);
    /* Who has found the lock taken relies on us for what it has seen. So we look once more when it is free. */
    if (flock(directory, LOCK_UN) != 0 || !spool_list_read(directory, &list)) break;
  } while (has_work(directory, &list, &passed_over) && flock(directory, LOCK_EX | LOCK_NB) == 0);
  _exit(0);
}

void spool_replay_behind(const struct spool *spool, const struct spool_peer *peer) {
  const struct buffer none = {0};
  for (size_t i = 0; i < spool->list.count; i++) {
    const struct spool_entry *entry = &spool->list.entries[i];
    if (entry->kind == SPOOL_FOREIGN && spool_can_remove(spool->directory, entry->name)) {
      (void)spool_set_aside(spool->directory, entry->name, "it is not named like one");
    }
  }
  if (!has_work(spool->directory, &spool->list, &none) || flock(spool->directory, LOCK_EX | LOCK_NB) != 0) return;
  /* The child has the lock from us: it is on the open directory that both share until one of them is gone. */
  pid_t child = fork();
  if (child == 0) replay_all(spool->directory, peer);
  if (child < 0) notice("cannot start a process for the recorded DELs: ", strerror(errno));
}
