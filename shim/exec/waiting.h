/* Orders that wait for the success of an earlier one (`after` in docs/wire.md). */
#pragma once

#include "exec/delegates.h"

struct waiting_order {
  uint64_t type;
  uint32_t id;
  uint32_t after;
  /* The order's map: its pairs, one after the other. */
  uint64_t pairs;
  struct buffer content;
};

/* In the order in which they came. All zero is empty. */
struct waiting {
  struct waiting_order orders[DELEGATES_MAX];
  size_t count;
};

/* Copies an order. There must be room. */
void waiting_add(struct waiting *waiting, const struct frame *frame, uint32_t after);

/* Takes out the first order that waits no longer: `after` is neither running nor waiting before it. False: there is none. Freed with waiting_order_free(). */
bool waiting_take(struct waiting *waiting, const struct delegates *delegates, struct waiting_order *order);

/* As it came; the body points into the order. */
struct frame waiting_order_frame(const struct waiting_order *order);

void waiting_order_free(struct waiting_order *order);
void waiting_free(struct waiting *waiting);
