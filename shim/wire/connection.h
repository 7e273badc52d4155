/* The connection to the daemon: connects, queues and sends frames, receives frames. Only connecting blocks. */
#pragma once

#include "base/clock.h"
#include "wire/frame.h"
#include "base/signals.h"

/* A queued frame. The payload is a buffer of its own, sent after the head, so that large output is never copied. */
struct outgoing {
  struct outgoing *next;
  struct buffer head;
  struct buffer payload;
  size_t sent;
};

/* Where the daemon's socket is unless the network configuration names another directory, and the socket's name with a slash before it. */
extern const char connection_default_directory[];
extern const char connection_socket_name[];

/* A fresh connection is all zero, apart from the descriptor. */
struct connection {
  int fd;
  struct buffer in;
  /* Bytes at the front of `in` that have been handled. */
  size_t taken;
  struct outgoing *first_out;
  struct outgoing *last_out;
  /* Nothing can be sent any more; bytes that the daemon has sent can still be read. */
  bool deaf;
};

enum {
  /* How long to wait, in microseconds, for a daemon whose backlog is full: it runs, and soon accepts connections again. */
  CONNECTION_BACKLOG_PATIENCE = 3 * MICROS_PER_SECOND,
};

/* Connects to the daemon's socket. Waits until `until` for a socket that is missing, and not at all if that time is past.
 * Returns the descriptor, or -1 with errno. EINTR: a signal asked the process to end. */
int connection_open(const char *path, int64_t until, const struct signals *signals);

/* Waits before the next try. False, with errno: no time is left for one, or (EINTR) a signal asked the process to end. */
bool connection_wait(int64_t until, const struct signals *signals);

/* Tries to connect once. Waits at most `patience` microseconds if the daemon's backlog is full. Returns the descriptor, or -1 with errno. */
int connection_try(const char *path, int64_t patience);

/* Does this errno of a try say that no daemon listens yet, so that another try is worthwhile? */
bool connection_may_come(int error);

/* The longest path that a socket can have, without its zero byte. */
size_t connection_max_path(void);

/* Queues a frame. It takes ownership of both buffers and leaves them empty. */
void connection_queue(struct connection *connection, struct buffer *head, struct buffer *payload);

bool connection_has_output(const struct connection *connection);
/* Is there output that the other end has not read, sent or still queued? */
bool connection_is_unread(const struct connection *connection);
/* Sends as much as the socket accepts without blocking. */
void connection_send(struct connection *connection);

enum receive_status {
  RECEIVE_OK,
  /* The daemon has closed its end, or the connection is broken. */
  RECEIVE_END,
};
/* Reads everything that has arrived, without blocking. */
enum receive_status connection_receive(struct connection *connection);

/* The next whole frame. It points into the connection and is valid until connection_receive(). */
enum frame_status connection_next_frame(struct connection *connection, struct frame *frame, const char **problem);

void connection_free(struct connection *connection);
