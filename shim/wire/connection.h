/* The connection to the daemon: connects, sends and receives frames. Only connecting blocks. */
#pragma once

#include <sys/un.h>

#include "base/clock.h"
#include "base/signals.h"
#include "wire/frame.h"

/* Where the daemon's socket is unless the network configuration names another directory, and the socket's name with a slash before it. */
extern const char connection_default_directory[];
extern const char connection_socket_name[];

/* A fresh connection is all zero, apart from the descriptor. Frames are sent by appending them to `out`. */
struct connection {
  int fd;
  struct buffer in;
  /* Bytes at the front of `in` that have been handled. */
  size_t taken;
  struct buffer out;
  /* Bytes at the front of `out` that have been sent. */
  size_t sent;
  /* Nothing can be sent any more; bytes that the daemon has sent can still be read. */
  bool deaf;
};

enum {
  /* How long to wait, in microseconds, for a daemon whose backlog is full: it runs, and soon accepts connections again. */
  CONNECTION_BACKLOG_PATIENCE = 3 * MICROS_PER_SECOND,
  /* The longest path that a socket can have, without its zero byte. */
  CONNECTION_MAX_PATH = sizeof((struct sockaddr_un *)0)->sun_path - 1,
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

/* Is there anything in `out` that can be sent? */
bool connection_has_output(const struct connection *connection);
/* Is there output that the other end has not read, sent or not? */
bool connection_is_unread(const struct connection *connection);
/* Sends as much as the socket accepts without blocking. */
void connection_send(struct connection *connection);

/* Reads what has arrived, without blocking. False: the daemon has closed its end, or the connection is broken. */
bool connection_receive(struct connection *connection);

/* The next whole frame. It points into the connection and is valid until connection_receive(). */
enum frame_status connection_next_frame(struct connection *connection, struct frame *frame, const char **problem);

void connection_free(struct connection *connection);
