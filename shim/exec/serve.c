/* The loop that carries out the daemon's orders. */
#include "exec/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "base/clock.h"
#include "exec/native_orders.h"
#include "exec/waiting.h"
#include "wire/done.h"
#include "base/failure.h"

enum {
  /* While buffers hold more than this for delegates and answers, no further order is taken. */
  HELD_MAX_BYTES = 64 * 1024 * 1024,
  /* How long plugins may still run after the daemon is gone, or after a signal. A killed plugin may leave resources that no DEL finds:
   * a link under a temporary name, or an address whose reservation does not name its owner yet. */
  FINISH_PATIENCE = 5 * MICROS_PER_SECOND,
  /* Indices in the array for poll(); the delegates' entries follow. */
  POLL_CONNECTION = 0,
  POLL_SIGNALS = 1,
  POLL_OWN = 2,
  POLL_MAX = POLL_OWN + DELEGATES_MAX * DELEGATE_DESCRIPTORS + 1,
};

/* Starts the plugin of an EXEC that is due, as carry_out(). Before that it is only checked. */
static const char *carry_out_exec(struct delegates *delegates, const struct frame *frame, bool is_due, struct buffer *problem) {
  struct order_exec exec;
  struct variable variables[ENVIRONMENT_SETTABLE] = {0};
  if (!order_read_exec(frame->body, &exec, problem) || !permissions_exec(delegates->permissions, &exec, variables, problem)) return "refused";
  problem->length = 0;
  return is_due ? delegates_exec(delegates, frame->id, &exec, variables, problem) : NULL;
}

static const char *carry_out_native(struct delegates *delegates, const struct frame *frame, bool is_due, struct buffer *problem) {
  const char *error = (frame->type == FRAME_ATTACH_LINKS ? native_orders_attach : native_orders_detach)(
      delegates->permissions, delegates->connection, frame, is_due, problem);
  if (error == NULL && is_due) delegates_remember(delegates, frame->id);
  return error;
}

static const char *name_of(uint64_t type) { return type == FRAME_EXEC ? "EXEC" : type == FRAME_ATTACH_LINKS ? "ATTACH_LINKS" : "DETACH_LINKS"; }

/* Carries out an order that may wait for another one. With `after` it is checked, and added to `waiting`; NULL there: its time has come. */
static const char *carry_out_in_turn(struct delegates *delegates, struct waiting *waiting, const struct frame *frame, struct buffer *problem) {
  struct order_after after;
  buffer_say(problem, name_of(frame->type), ": ");
  if (!order_read_after(frame->body, &after, problem)) return "refused";
  bool is_due = waiting == NULL || !after.present;
  const char *error = (frame->type == FRAME_EXEC ? carry_out_exec : carry_out_native)(delegates, frame, is_due, problem);
  if (error == NULL && !is_due) waiting_add(waiting, frame, after.id);
  return error;
}

/* Carries out orders whose `after` has succeeded, and says of those that wait in vain that they are not started. */
static void go_on_with_waiting(struct delegates *delegates, struct waiting *waiting) {
  struct waiting_order order;
  while (waiting_take(waiting, delegates, &order)) {
    struct buffer problem = {0};
    const char *error = "not-started";
    if (delegates_have_succeeded(delegates, order.after)) {
      struct frame frame = waiting_order_frame(&order);
      error = carry_out_in_turn(delegates, NULL, &frame, &problem);
    } else {
      buffer_print(&problem, "order %" PRIu32 ", after which this one would be carried out, has not succeeded", order.after);
    }
    if (error != NULL) done_error(delegates->connection, order.id, error, buffer_text(&problem));
    buffer_free(&problem);
    waiting_order_free(&order);
  }
}

/* Carries out an order. NULL: DONE is sent, now or later; otherwise its `error`, with the reason in `problem`. */
static const char *carry_out(struct delegates *delegates, struct waiting *waiting, const struct frame *frame, struct buffer *problem) {
  struct connection *connection = delegates->connection;
  const struct permissions *permissions = delegates->permissions;
  const char *error = "refused";
  struct order_link link;
  bool exists;
  struct default_route default_route;
  struct link_states states = {0};
  switch (frame->type) {
    case FRAME_EXEC:
    case FRAME_ATTACH_LINKS:
    case FRAME_DETACH_LINKS:
      error = carry_out_in_turn(delegates, waiting, frame, problem);
      go_on_with_waiting(delegates, waiting);
      break;
    case FRAME_LINK_EXISTS:
      buffer_say(problem, "LINK_EXISTS: ");
      if (!order_read_link(frame->body, &link, problem) || !permissions_link(permissions, &link, problem)) break;
      error = link_look(link.netns, link.if_name, &exists, problem);
      if (error == NULL) done_link_exists(connection, frame->id, exists);
      break;
    case FRAME_DEFAULT_ROUTE:
      buffer_say(problem, "DEFAULT_ROUTE: ");
      if (!order_read_default_route(frame->body, &default_route, problem) ||
          !permissions_default_route(permissions, &default_route, problem)) {
        break;
      }
      error = default_route_set(&default_route, problem);
      if (error == NULL) done_nothing_to_say(connection, frame->id);
      break;
    case FRAME_LINK_STATES:
      buffer_say(problem, "LINK_STATES: ");
      if (order_read_link_states(frame->body, &states, problem) && permissions_link_states(permissions, &states, problem)) {
        error = link_states_look(&states, problem);
        if (error == NULL) done_link_states(connection, frame->id, &states);
      }
      link_states_free(&states);
      break;
    default:
      buffer_print(problem, "unknown order %" PRIu64, frame->type);
  }
  return error;
}

static void answer(struct delegates *delegates, struct waiting *waiting, const struct frame *frame) {
  struct buffer problem = {0};
  const char *error = carry_out(delegates, waiting, frame, &problem);
  if (error != NULL) done_error(delegates->connection, frame->id, error, buffer_text(&problem));
  buffer_free(&problem);
}

/* May another order be taken? The others wait in the socket. */
static bool has_room(const struct delegates *delegates, const struct waiting *waiting) {
  if (delegates->count == 0 && delegates->connection->out.length == 0) return true;
  return delegates->count + waiting->count < DELEGATES_MAX && buffers_held() < HELD_MAX_BYTES;
}

/* Handles the frames that have arrived. True: serving has ended, see `result`.
 * With `ended` the daemon is gone: its REPLY still counts, its orders do not. */
static bool take_frames(struct delegates *delegates, struct waiting *waiting, bool ended, struct serve_result *result) {
  struct frame frame;
  struct order_reply *reply = &result->reply;
  const char *problem = "";
  while (ended || has_room(delegates, waiting)) {
    enum frame_status status = connection_next_frame(delegates->connection, &frame, &problem);
    if (status == FRAME_INCOMPLETE) return false;
    if (status == FRAME_COMPLETE && frame.type == FRAME_REPLY) {
      buffer_say(&result->problem, "a REPLY whose body is wrong: ");
      result->end = SERVE_BROKEN;
      if (!order_read_reply(frame.body, reply, &result->problem)) return true;
      result->end = SERVE_REPLIED;
      reply->retry = reply->retry && !result->has_begun;
      reply->record = reply->record && reply->exit_code != 0;
      buffer_append_bytes(&result->output, reply->output);
      reply->output = (struct bytes){0};
      return true;
    }
    if (status == FRAME_COMPLETE && frame.type < FRAME_FIRST_ORDER) {
      status = FRAME_BROKEN;
      problem = "a frame that only a plugin may send";
    }
    if (status == FRAME_BROKEN) {
      buffer_say(&result->problem, problem);
      result->end = SERVE_BROKEN;
      return true;
    }
    if (ended) continue;
    result->has_begun = true;
    answer(delegates, waiting, &frame);
    connection_send(delegates->connection);
  }
  return false;
}

/* Waits for readable or writable descriptors, the end of a child, or a timeout. Returns the result of poll() on `polls`. */
static int wait_for_something(struct delegates *delegates, bool takes_orders, const struct signals *signals, bool ended, int64_t until,
                              struct pollfd *polls) {
  const struct connection *connection = delegates->connection;
  polls[POLL_CONNECTION] = (struct pollfd){
      /* poll() passes over negative descriptors. */
      .fd = ended ? -1 : connection->fd,
      .events = (short)((takes_orders ? POLLIN : 0) | (connection_has_output(connection) ? POLLOUT : 0)),
  };
  polls[POLL_SIGNALS] = (struct pollfd){.fd = signals->fd, .events = POLLIN};
  size_t count = POLL_OWN + delegates_poll(delegates, polls + POLL_OWN);
  int64_t next = delegates_next_moment(delegates);
  if (until < next) next = until;
  int timeout = next == INT64_MAX ? -1 : clock_poll_timeout(clock_micros(), next);
  int ready = poll(polls, (nfds_t)count, timeout);
  if (ready < 0 && errno != EINTR) fail_errno(CNI_INTERNAL, "poll", errno);
  return ready;
}

struct serve_result serve(struct connection *connection, const struct permissions *permissions, const struct signals *signals,
                          int64_t unread_patience) {
  struct serve_result result = {.end = SERVE_DAEMON_GONE};
  struct delegates delegates = {
      .connection = connection,
      .permissions = permissions,
      .signal_mask = signals->original_mask,
  };
  struct waiting waiting = {0};
  struct pollfd polls[POLL_MAX];
  /* Set when the daemon is gone, or by a signal: no further orders are taken. Plugins may run until `finish_until`. */
  bool ended = false;
  int64_t finish_until = INT64_MAX;
  /* If no event comes until then, check whether the daemon reads its input. */
  int64_t quiet_until = unread_patience == 0 ? INT64_MAX : clock_micros() + unread_patience;
  while (!ended || (delegates.count > 0 && clock_micros() < finish_until)) {
    connection_send(connection);
    int ready = wait_for_something(&delegates, has_room(&delegates, &waiting), signals, ended, ended ? finish_until : quiet_until, polls);
    if (ready < 0) continue;
    if (unread_patience > 0 && (ready > 0 || clock_micros() >= quiet_until)) {
      if (ready == 0 && !ended && delegates.count == 0 && connection_is_unread(connection)) {
        result.end = SERVE_DAEMON_HANGS;
        break;
      }
      quiet_until = clock_micros() + unread_patience;
    }
    bool child = false;
    if (polls[POLL_SIGNALS].revents != 0 && signals_read(signals, &child) != 0) {
      /* A second signal ends the wait for plugins. */
      if (result.end == SERVE_SIGNALLED) break;
      result.end = SERVE_SIGNALLED;
      if (!ended) finish_until = clock_micros() + FINISH_PATIENCE;
      ended = true;
    }
    delegates_advance(&delegates, polls + POLL_OWN, child);
    if (ended) continue;
    short seen = polls[POLL_CONNECTION].revents;
    /* After the daemon has closed its end, read all that it has sent: the REPLY may be in it. */
    bool closed = (seen & (POLLHUP | POLLERR)) != 0;
    do {
      if ((seen & POLLIN) != 0 || closed) ended = !connection_receive(connection);
    } while (closed && !ended);
    if (!ended) go_on_with_waiting(&delegates, &waiting);
    if (take_frames(&delegates, &waiting, ended, &result)) break;
    if (ended) finish_until = clock_micros() + FINISH_PATIENCE;
  }
  waiting_free(&waiting);
  delegates_kill(&delegates);
  return result;
}

void serve_result_free(struct serve_result *result) {
  buffer_free(&result->output);
  buffer_free(&result->problem);
}
