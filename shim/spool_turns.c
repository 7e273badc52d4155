/* In which order recorded DELs are done: namespaces take turns, so that the pods of one whose plugins hang do not use up the time of all (docs/wire.md, "The replay"). */
#define _GNU_SOURCE
#include "spool_turns.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

/* CNI_ARGS are among the first fields of a record. Of one whose other fields take more, the namespace is not known. */
enum { HEAD_BYTES = 8 * 1024 };

/* The share of a record's namespace; all whose namespace cannot be read have one. */
static uint32_t share_of(int directory, const struct spool_entry *entry) {
  uint8_t head[HEAD_BYTES];
  struct bytes namespace = {0};
  int fd = spool_file_open(directory, entry->name);
  if (fd < 0) return 0;
  struct stat status;
  ssize_t length = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? pread(fd, head, sizeof head, 0) : -1;
  (void)close(fd);
  if (length < 0 || !spool_record_find_namespace((struct bytes){head, (size_t)length}, &namespace)) return 0;
  return spool_checksum(namespace);
}

static int64_t tried_at(int directory, const struct spool_entry *entry) {
  struct stat status;
  if (entry->tries == 0 || fstatat(directory, entry->name, &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return (int64_t)status.st_mtim.tv_sec * MICROS_PER_SECOND + status.st_mtim.tv_nsec / 1000;
}

static int by_container(const void *a, const void *b) {
  const struct spool_turn *const *left = a, *const *right = b;
  int order = strcmp(spool_entry_container((*left)->entry), spool_entry_container((*right)->entry));
  return order != 0 ? order : strcmp((*left)->entry->name, (*right)->entry->name);
}

static int by_share(const void *a, const void *b) {
  const struct spool_turn *const *left = a, *const *right = b;
  return ((*left)->share > (*right)->share) - ((*left)->share < (*right)->share);
}

/* Links the records of each container. */
static void link_containers(struct spool_turns *turns, struct spool_turn **order) {
  qsort(order, turns->count, sizeof *order, by_container);
  for (size_t i = 1; i < turns->count; i++) {
    bool is_same = strcmp(spool_entry_container(order[i - 1]->entry), spool_entry_container(order[i]->entry)) == 0;
    if (is_same) order[i]->before = order[i - 1];
  }
}

/* Gives the records of a namespace the latest time among them. */
static void share_times(struct spool_turns *turns, struct spool_turn **order) {
  qsort(order, turns->count, sizeof *order, by_share);
  for (size_t begin = 0, end; begin < turns->count; begin = end) {
    int64_t latest = 0;
    for (end = begin; end < turns->count && order[end]->share == order[begin]->share; end++) {
      if (order[end]->served > latest) latest = order[end]->served;
    }
    for (size_t i = begin; i < end; i++) order[i]->served = latest;
  }
}

void spool_turns_make(int directory, const struct spool_list *list, struct spool_turns *turns) {
  *turns = (struct spool_turns){0};
  size_t due = 0;
  if (list->count == 0) return;
  turns->turns = memory_take(list->count * sizeof *turns->turns);
  for (size_t i = 0; i < list->count; i++) {
    const struct spool_entry *entry = &list->entries[i];
    if (entry->kind != SPOOL_RECORD) continue;
    bool is_due = spool_entry_is_due(directory, entry);
    turns->turns[turns->count++] = (struct spool_turn){.entry = entry, .state = is_due ? TURN_WAITS : TURN_LEFT};
    if (is_due) due++;
  }
  if (turns->count == 0) return;
  struct spool_turn **order = memory_take(turns->count * sizeof *order);
  for (size_t i = 0; i < turns->count; i++) order[i] = &turns->turns[i];
  link_containers(turns, order);
  /* Of a single one nothing has to be looked at. */
  if (due > 1) {
    for (size_t i = 0; i < turns->count; i++) {
      turns->turns[i].share = share_of(directory, turns->turns[i].entry);
      turns->turns[i].served = tried_at(directory, turns->turns[i].entry);
    }
    share_times(turns, order);
  }
  free(order);
}

void spool_turns_free(struct spool_turns *turns) {
  free(turns->turns);
  *turns = (struct spool_turns){0};
}

/* Is `turn` to be done before `other`? Of one namespace those that were never tried come first, then the order of the names counts. */
static bool comes_before(const struct spool_turn *turn, const struct spool_turn *other) {
  if (turn->served != other->served) return turn->served < other->served;
  if (turn->share == other->share && (turn->entry->tries == 0) != (other->entry->tries == 0)) return turn->entry->tries == 0;
  return strcmp(turn->entry->name, other->entry->name) < 0;
}

struct spool_turn *spool_turns_next(struct spool_turns *turns) {
  struct spool_turn *best = NULL;
  for (size_t i = 0; i < turns->count; i++) {
    /* In the order of the names, so that the one before it has its last state already. */
    struct spool_turn *turn = &turns->turns[i];
    if (turn->state == TURN_WAITS && turn->before != NULL && turn->before->state == TURN_LEFT) turn->state = TURN_LEFT;
    if (turn->state != TURN_WAITS || (turn->before != NULL && turn->before->state != TURN_DONE)) continue;
    if (best == NULL || comes_before(turn, best)) best = turn;
  }
  return best;
}

void spool_turns_note(struct spool_turns *turns, struct spool_turn *turn, bool is_done) {
  turn->state = is_done ? TURN_DONE : TURN_LEFT;
  if (is_done) return;
  int64_t now = clock_wall_micros();
  for (size_t i = 0; i < turns->count; i++) {
    if (turns->turns[i].share == turn->share) turns->turns[i].served = now;
  }
}
