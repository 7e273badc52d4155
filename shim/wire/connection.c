/* The connection to the daemon: connects, sends and receives frames. Only connecting blocks. */
#include "wire/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/files.h"

enum {
  CONNECT_STEP_MS = 50,
  RECEIVE_BYTES = 16 * 1024,
};

const char connection_default_directory[] = "/run/multus";
const char connection_socket_name[] = "/multus.sock";

int connection_try(const char *path, int64_t patience) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length > CONNECTION_MAX_PATH) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, length);
  if (patience < MICROS_PER_MILLI) patience = MICROS_PER_MILLI;
  /* With a full backlog connect() blocks for as long as SO_SNDTIMEO says. */
  struct timeval limit = {.tv_sec = patience / MICROS_PER_SECOND, .tv_usec = patience % MICROS_PER_SECOND};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
                  connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)) {
    file_close(&fd);
  }
  return fd;
}

bool connection_may_come(int error) { return error == ENOENT || error == ECONNREFUSED || error == EINTR; }

bool connection_wait(int64_t until, const struct signals *signals) {
  if (clock_micros() < until) return signals_wait(signals, -1, CONNECT_STEP_MS) != WAIT_SIGNALLED;
  errno = ETIMEDOUT;
  return false;
}

int connection_open(const char *path, int64_t until, const struct signals *signals) {
  for (;;) {
    int64_t left = until - clock_micros();
    int fd = connection_try(path, left > CONNECTION_BACKLOG_PATIENCE ? left : CONNECTION_BACKLOG_PATIENCE);
    int error = errno;
    if (fd >= 0 || !connection_may_come(error)) return fd;
    if (connection_wait(until, signals)) continue;
    if (errno == ETIMEDOUT) errno = error;
    return -1;
  }
}

bool connection_has_output(const struct connection *connection) { return connection->sent < connection->out.length && !connection->deaf; }

bool connection_is_unread(const struct connection *connection) {
  /* A unix socket's bytes count as the sender's until they are read. */
  int unread = 0;
  return connection_has_output(connection) || (ioctl(connection->fd, TIOCOUTQ, &unread) == 0 && unread > 0);
}

void connection_send(struct connection *connection) {
  struct buffer *out = &connection->out;
  while (connection_has_output(connection)) {
    ssize_t sent = send(connection->fd, out->data + connection->sent, out->length - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      /* The daemon's last bytes, perhaps its answer, may still be unread. */
      connection->deaf = errno != EAGAIN && errno != EWOULDBLOCK;
      return;
    }
    connection->sent += (size_t)sent;
    if (connection->sent < out->length / 2) continue;
    buffer_consume(out, connection->sent);
    connection->sent = 0;
    if (out->length == 0) buffer_free(out);
  }
}

bool connection_receive(struct connection *connection) {
  struct buffer *in = &connection->in;
  buffer_consume(in, connection->taken);
  connection->taken = 0;
  size_t size = 0;
  struct frame frame;
  const char *problem;
  /* Reserve the whole frame at once if its size is known. */
  if (frame_read(buffer_bytes(in), &frame, &size, &problem) != FRAME_INCOMPLETE) size = 0;
  buffer_reserve(in, size > in->length + RECEIVE_BYTES ? size - in->length : RECEIVE_BYTES);
  for (;;) {
    ssize_t length = recv(connection->fd, in->data + in->length, in->capacity - in->length, MSG_DONTWAIT);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    in->length += (size_t)length;
    return length > 0;
  }
}

enum frame_status connection_next_frame(struct connection *connection, struct frame *frame, const char **problem) {
  struct bytes stream = buffer_bytes(&connection->in);
  size_t size;
  bytes_skip(&stream, connection->taken);
  enum frame_status status = frame_read(stream, frame, &size, problem);
  if (status == FRAME_COMPLETE) connection->taken += size;
  return status;
}

void connection_free(struct connection *connection) {
  buffer_free(&connection->in);
  buffer_free(&connection->out);
}
