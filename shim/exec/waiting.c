/* Orders that wait for the success of an earlier one. */
#include "exec/waiting.h"

#include <string.h>

void waiting_add(struct waiting *waiting, const struct frame *frame, uint32_t after) {
  struct waiting_order *order = &waiting->orders[waiting->count++];
  *order = (struct waiting_order){.type = frame->type, .id = frame->id, .after = after, .pairs = frame->body.number};
  buffer_append_bytes(&order->content, frame->body.content);
}

/* Is the order that the one at `place` waits for still under way? */
static bool has_to_wait(const struct waiting *waiting, const struct delegates *delegates, size_t place) {
  uint32_t after = waiting->orders[place].after;
  for (size_t i = 0; i < place; i++) {
    if (waiting->orders[i].id == after) return true;
  }
  return delegates_run(delegates, after);
}

bool waiting_take(struct waiting *waiting, const struct delegates *delegates, struct waiting_order *order) {
  size_t place = 0;
  while (place < waiting->count && has_to_wait(waiting, delegates, place)) place++;
  if (place == waiting->count) return false;
  *order = waiting->orders[place];
  waiting->count--;
  memmove(&waiting->orders[place], &waiting->orders[place + 1], (waiting->count - place) * sizeof waiting->orders[0]);
  return true;
}

struct frame waiting_order_frame(const struct waiting_order *order) {
  struct msgpack_value body = {.kind = MSGPACK_MAP, .number = order->pairs, .content = buffer_bytes(&order->content)};
  return (struct frame){.type = order->type, .id = order->id, .body = body};
}

void waiting_order_free(struct waiting_order *order) { buffer_free(&order->content); }

void waiting_free(struct waiting *waiting) {
  for (size_t i = 0; i < waiting->count; i++) waiting_order_free(&waiting->orders[i]);
  waiting->count = 0;
}
