/* The loop that carries out the daemon's orders. */
#include "exec/serve.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "net/default_route.h"
#include "exec/delegates.h"
#include "wire/done.h"
#include "base/failure.h"
#include "net/link_states.h"
#include "net/netns.h"
#include "wire/order.h"

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

static void refuse(struct connection *connection, uint32_t id, struct buffer *problem) {
  done_error(connection, id, "refused", buffer_text(problem));
}

static void look_for_link(struct connection *connection, uint32_t id, const struct order_link *order, struct buffer *problem) {
  switch (link_look(order->netns, order->if_name, problem)) {
    case LINK_ABSENT:
      done_link_exists(connection, id, false);
      return;
    case LINK_PRESENT:
      done_link_exists(connection, id, true);
      return;
    case LINK_NO_NETNS:
      done_error(connection, id, "netns", buffer_text(problem));
      return;
    case LINK_UNKNOWN:
      done_error(connection, id, "failed", buffer_text(problem));
      return;
  }
}

/* Answers a netlink order that failed. False: it has not failed. */
static bool answer_failure(struct connection *connection, uint32_t id, enum netlink_outcome outcome, struct buffer *problem) {
  if (outcome == NETLINK_DONE) return false;
  done_error(connection, id, outcome == NETLINK_NO_NETNS ? "netns" : "failed", buffer_text(problem));
  return true;
}

static void set_default_route(struct connection *connection, uint32_t id, const struct default_route *order,
                              struct buffer *problem) {
  if (!answer_failure(connection, id, default_route_set(order, problem), problem)) done_nothing_to_say(connection, id);
}

static void look_at_links(struct connection *connection, uint32_t id, struct link_states *states, struct buffer *problem) {
  if (!answer_failure(connection, id, link_states_look(states, problem), problem)) done_link_states(connection, id, states);
}

static void carry_out(struct delegates *delegates, const struct frame *frame) {
  struct connection *connection = delegates->connection;
  const struct permissions *permissions = delegates->permissions;
  struct buffer problem = {0};
  struct order_exec exec;
  struct order_link link;
  struct default_route default_route;
  struct link_states link_states = {0};
  switch (frame->type) {
    case FRAME_EXEC:
      buffer_say(&problem, "EXEC: ");
      if (!order_read_exec(frame->body, &exec, &problem) || !permissions_exec(permissions, &exec, &problem)) {
        refuse(connection, frame->id, &problem);
      } else {
        delegates_exec(delegates, frame->id, &exec);
      }
      break;
    case FRAME_LINK_EXISTS:
      buffer_say(&problem, "LINK_EXISTS: ");
      if (!order_read_link(frame->body, &link, &problem) || !permissions_link(permissions, &link, &problem)) {
        refuse(connection, frame->id, &problem);
      } else {
        look_for_link(connection, frame->id, &link, &problem);
      }
      break;
    case FRAME_DEFAULT_ROUTE:
      buffer_say(&problem, "DEFAULT_ROUTE: ");
      if (!order_read_default_route(frame->body, &default_route, &problem) ||
          !permissions_default_route(permissions, &default_route, &problem)) {
        refuse(connection, frame->id, &problem);
      } else {
        set_default_route(connection, frame->id, &default_route, &problem);
      }
      break;
    case FRAME_LINK_STATES:
      buffer_say(&problem, "LINK_STATES: ");
      if (!order_read_link_states(frame->body, &link_states, &problem) || !permissions_link_states(permissions, &link_states, &problem)) {
        refuse(connection, frame->id, &problem);
      } else {
        look_at_links(connection, frame->id, &link_states, &problem);
      }
      link_states_free(&link_states);
      break;
    default:
      buffer_say(&problem, "unknown order ");
      buffer_append_unsigned(&problem, frame->type);
      refuse(connection, frame->id, &problem);
  }
  buffer_free(&problem);
}

/* May another order be taken? The others wait in the socket. */
static bool has_room(const struct delegates *delegates) {
  if (delegates->count == 0 && delegates->connection->first_out == NULL) return true;
  return delegates->count < DELEGATES_MAX && buffers_held() < HELD_MAX_BYTES;
}

/* Handles the frames that have arrived. True: serving has ended, see `result`.
 * With `ended` the daemon is gone: its REPLY still counts, its orders do not. */
static bool take_frames(struct delegates *delegates, bool ended, struct serve_result *result) {
  struct frame frame;
  struct order_reply reply;
  const char *problem = "";
  while (ended || has_room(delegates)) {
    enum frame_status status = connection_next_frame(delegates->connection, &frame, &problem);
    if (status == FRAME_INCOMPLETE) return false;
    if (status == FRAME_COMPLETE && frame.type == FRAME_REPLY) {
      buffer_say(&result->problem, "a REPLY whose body is wrong: ");
      result->end = SERVE_BROKEN;
      if (!order_read_reply(frame.body, &reply, &result->problem)) return true;
      result->end = SERVE_REPLIED;
      result->exit_code = reply.exit_code;
      result->retry = reply.retry && !result->has_begun;
      result->record = reply.record && reply.exit_code != 0;
      result->tell = reply.tell;
      result->has_again = reply.has_again;
      result->again_ms = reply.again_ms;
      buffer_append_bytes(&result->output, reply.output);
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
    carry_out(delegates, &frame);
    connection_send(delegates->connection);
  }
  return false;
}

/* Waits for readable or writable descriptors, the end of a child, or a timeout. Returns the result of poll() on `polls`. */
static int wait_for_something(struct delegates *delegates, const struct signals *signals, bool ended, int64_t until,
                              struct pollfd *polls) {
  const struct connection *connection = delegates->connection;
  bool takes_orders = has_room(delegates);
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
  struct pollfd polls[POLL_MAX];
  /* Set when the daemon is gone, or by a signal: no further orders are taken. Plugins may run until `finish_until`. */
  bool ended = false;
  int64_t finish_until = INT64_MAX;
  /* If no event comes until then, check whether the daemon reads its input. */
  int64_t quiet_until = unread_patience == 0 ? INT64_MAX : clock_micros() + unread_patience;
  while (!ended || (delegates.count > 0 && clock_micros() < finish_until)) {
    connection_send(connection);
    int ready = wait_for_something(&delegates, signals, ended, ended ? finish_until : quiet_until, polls);
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
      if ((seen & POLLIN) != 0 || closed) ended = connection_receive(connection) == RECEIVE_END;
    } while (closed && !ended);
    if (take_frames(&delegates, ended, &result)) break;
    if (ended) finish_until = clock_micros() + FINISH_PATIENCE;
  }
  delegates_kill(&delegates);
  return result;
}
