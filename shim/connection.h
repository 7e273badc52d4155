/* The stream to the daemon: connecting, frames in, frames out. Nothing here waits, except connecting. */
#ifndef MULTUS_CONNECTION_H
#define MULTUS_CONNECTION_H

#include "clock.h"
#include "frame.h"
#include "signals.h"

/* A frame on its way out. The payload stands behind the head, so that large output is never copied. */
struct outgoing {
  struct outgoing *next;
  struct buffer head;
  struct buffer payload;
  size_t sent;
};

/* Where the daemon's socket is unless the network configuration names another directory, and the socket's name with a slash before it. */
extern const char connection_default_directory[];
extern const char connection_socket_name[];

/* All zero but the descriptor is a fresh connection. */
struct connection {
  int fd;
  struct buffer in;
  /* Bytes at the front of `in` that have been dealt with. */
  size_t taken;
  struct outgoing *first_out;
  struct outgoing *last_out;
  /* Nothing can be sent any more; what the daemon has sent can still be read. */
  bool deaf;
};

enum {
  /* How long a daemon is waited for whose backlog is full, in microseconds: it is there, and takes connections again soon. */
  CONNECTION_BACKLOG_PATIENCE = 3 * MICROS_PER_SECOND,
};

/* Connects to the daemon's socket; one that is not there yet is waited for until that time, and not at all if it is past.
 * Returns the descriptor, or -1 with errno. EINTR: a signal asked us to end. */
int connection_open(const char *path, int64_t until, const struct signals *signals);

/* Waits a moment before the next try. False, with errno: it is too late for one, or (EINTR) a signal asked us to end. */
bool connection_wait(int64_t until, const struct signals *signals);

/* One try to connect: a daemon whose backlog is full is waited for, so many microseconds at most. Returns the descriptor, or -1 with errno. */
int connection_try(const char *path, int64_t patience);

/* Does this errno of a try say that nobody listens, so that somebody may soon? */
bool connection_may_come(int error);

/* Longest path of a socket, without its zero byte. */
size_t connection_max_path(void);

/* Queues a frame. Both buffers are taken over and are empty afterwards. */
void connection_queue(struct connection *connection, struct buffer *head, struct buffer *payload);

bool connection_has_output(const struct connection *connection);
/* Is there something that the other end has not read, sent or still to be sent? */
bool connection_is_unread(const struct connection *connection);
/* Sends what the socket takes at once. */
void connection_send(struct connection *connection);

enum receive_status {
  RECEIVE_OK,
  /* The daemon has closed its end, or the connection is broken. */
  RECEIVE_END,
};
/* Reads what has come, at once. */
enum receive_status connection_receive(struct connection *connection);

/* The next whole frame. It points into the connection and is good until connection_receive(). */
enum frame_status connection_next_frame(struct connection *connection, struct frame *frame, const char **problem);

void connection_free(struct connection *connection);

#endif
