/* One decoder of the shim as the fuzzers see it: seeds, what makes mutated bytes fit again, and the check that must hold for any bytes. */
#ifndef MULTUS_FUZZ_TARGET_H
#define MULTUS_FUZZ_TARGET_H

#include "base/buffer.h"

struct target {
  const char *name;
  /* Appends a good input; `which` is any number. */
  void (*seed)(struct buffer *out, uint64_t which);
  /* Makes lengths and checksums fit mutated bytes, so that what is behind them is reached. May be NULL. */
  void (*fit)(struct buffer *input);
  /* Aborts where something does not hold. */
  void (*check)(struct bytes input);
};

extern const struct target *const targets[];
extern const size_t target_count;

/* NULL if there is no target of that name. */
const struct target *target_find(const char *name);

/* Called before the process ends where something does not hold: says which input it was. */
extern void (*target_failing)(void);
_Noreturn void target_fail(const char *condition, const char *file, int line);

/* A condition that must hold for every input. */
#define MUST(condition)                                            \
  do {                                                             \
    if (!(condition)) target_fail(#condition, __FILE__, __LINE__); \
  } while (0)

/* Reads every byte, so that a sanitizer sees a view that reaches too far. */
void touch(struct bytes bytes);

/* Cuts `input` at the first zero byte: the piece before it is taken off. Without one everything is. */
struct bytes take_piece(struct bytes *input);

extern const struct target target_frames, target_environment, target_plugin_path, target_json, target_netconf, target_spool_record,
    target_spool_name, target_netlink;

#endif
