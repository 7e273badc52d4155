/* The connection to the daemon: connects, queues and sends frames, receives frames. Only connecting blocks. */
#include "wire/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/failure.h"

enum {
  CONNECT_STEP_MS = 50,
  RECEIVE_BYTES = 16 * 1024,
};

const char connection_default_directory[] = "/run/multus";
const char connection_socket_name[] = "/multus.sock";

size_t connection_max_path(void) { return sizeof((struct sockaddr_un *)0)->sun_path - 1; }

int connection_try(const char *path, int64_t patience) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length > connection_max_path()) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, length);
  if (patience < MICROS_PER_MILLI) patience = MICROS_PER_MILLI;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  /* With a full backlog connect() blocks for as long as SO_SNDTIMEO says. */
  struct timeval limit = {.tv_sec = patience / MICROS_PER_SECOND, .tv_usec = patience % MICROS_PER_SECOND};
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
      connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
    return fd;
  }
  int error = errno;
  (void)close(fd);
  errno = error;
  return -1;
}

bool connection_may_come(int error) { return error == ENOENT || error == ECONNREFUSED || error == EINTR; }

bool connection_wait(int64_t until, const struct signals *signals) {
  struct pollfd wait = {.fd = signals->fd, .events = POLLIN};
  bool child;
  if (clock_micros() >= until) {
    errno = ETIMEDOUT;
    return false;
  }
  if (poll(&wait, 1, CONNECT_STEP_MS) < 0) return errno == EINTR;
  if (wait.revents == 0 || signals_read(signals, &child) == 0) return true;
  errno = EINTR;
  return false;
}

int connection_open(const char *path, int64_t until, const struct signals *signals) {
  for (;;) {
    int64_t left = until - clock_micros();
    int fd = connection_try(path, left > CONNECTION_BACKLOG_PATIENCE ? left : CONNECTION_BACKLOG_PATIENCE);
    if (fd >= 0) return fd;
    int error = errno;
    if (!connection_may_come(error) || clock_micros() >= until) {
      errno = error;
      return -1;
    }
    if (!connection_wait(until, signals) && errno != ETIMEDOUT) return -1;
  }
}

void connection_queue(struct connection *connection, struct buffer *head, struct buffer *payload) {
  struct outgoing *out = memory_take(sizeof *out);
  *out = (struct outgoing){.head = *head, .payload = *payload};
  *head = *payload = (struct buffer){0};
  if (connection->last_out == NULL) {
    connection->first_out = out;
  } else {
    connection->last_out->next = out;
  }
  connection->last_out = out;
}

bool connection_has_output(const struct connection *connection) {
  return connection->first_out != NULL && !connection->deaf;
}

bool connection_is_unread(const struct connection *connection) {
  /* A unix socket's bytes count as the sender's until they are read. */
  int unread = 0;
  return connection_has_output(connection) || (ioctl(connection->fd, TIOCOUTQ, &unread) == 0 && unread > 0);
}

static void drop_first_out(struct connection *connection) {
  struct outgoing *out = connection->first_out;
  connection->first_out = out->next;
  if (connection->first_out == NULL) connection->last_out = NULL;
  buffer_free(&out->head);
  buffer_free(&out->payload);
  free(out);
}

void connection_send(struct connection *connection) {
  while (connection_has_output(connection)) {
    struct outgoing *out = connection->first_out;
    struct iovec parts[2];
    size_t count = 0;
    size_t of_payload = 0;
    if (out->sent < out->head.length) {
      parts[count++] = (struct iovec){out->head.data + out->sent, out->head.length - out->sent};
    } else {
      of_payload = out->sent - out->head.length;
    }
    if (of_payload < out->payload.length) {
      parts[count++] = (struct iovec){out->payload.data + of_payload, out->payload.length - of_payload};
    }
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (sent < 0) {
      /* The daemon's last bytes, perhaps its answer, may still be unread. */
      connection->deaf = true;
      return;
    }
    out->sent += (size_t)sent;
    if (out->sent == out->head.length + out->payload.length) drop_first_out(connection);
  }
}

enum receive_status connection_receive(struct connection *connection) {
  struct buffer *in = &connection->in;
  buffer_consume(in, connection->taken);
  connection->taken = 0;
  size_t size = 0;
  struct frame frame;
  const char *problem;
  /* Reserve the whole frame at once if its size is known. */
  if (frame_read((struct bytes){in->data, in->length}, &frame, &size, &problem) != FRAME_INCOMPLETE) size = 0;
  buffer_reserve(in, size > in->length + RECEIVE_BYTES ? size - in->length : RECEIVE_BYTES);
  for (;;) {
    ssize_t length = recv(connection->fd, in->data + in->length, in->capacity - in->length, MSG_DONTWAIT);
    if (length > 0) {
      in->length += (size_t)length;
      return RECEIVE_OK;
    }
    if (length == 0) return RECEIVE_END;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? RECEIVE_OK : RECEIVE_END;
  }
}

enum frame_status connection_next_frame(struct connection *connection, struct frame *frame, const char **problem) {
  struct bytes stream = {connection->in.data + connection->taken, connection->in.length - connection->taken};
  size_t size;
  enum frame_status status = frame_read(stream, frame, &size, problem);
  if (status == FRAME_COMPLETE) connection->taken += size;
  return status;
}

void connection_free(struct connection *connection) {
  while (connection->first_out != NULL) drop_first_out(connection);
  buffer_free(&connection->in);
}
