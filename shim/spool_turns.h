/* In which order recorded DELs are done: namespaces take turns, so that the pods of one whose plugins hang do not use up the time of all (docs/wire.md, "The replay"). */
#ifndef MULTUS_SPOOL_TURNS_H
#define MULTUS_SPOOL_TURNS_H

#include "spool_directory.h"

/* A record that waits for its turn. */
struct spool_turn {
  const struct spool_entry *entry;
  /* Of the pod's namespace. */
  uint32_t share;
  /* When a record of that namespace was last tried and failed, as far as the directory says it: microseconds since 1970; 0: never. */
  int64_t served;
  /* The record of its container that comes before it; NULL: none does. */
  struct spool_turn *before;
  enum spool_turn_state { TURN_WAITS, TURN_DONE, TURN_LEFT } state;
};

struct spool_turns {
  struct spool_turn *turns;
  size_t count;
};

/* Makes turns of the records in a list, which has to outlive them; freed with spool_turns_free(). Those that are not due are left. */
void spool_turns_make(int directory, const struct spool_list *list, struct spool_turns *turns);
void spool_turns_free(struct spool_turns *turns);

/* The next one that waits and has none of its container before it, or only those that are done; NULL: there is none. One behind a record that was left is left too. */
struct spool_turn *spool_turns_next(struct spool_turns *turns);

/* Notes what has become of one. */
void spool_turns_note(struct spool_turns *turns, struct spool_turn *turn, bool is_done);

#endif
