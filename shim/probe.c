/* `multus probe`: asks the daemon, for the kubelet, whether it is live or ready. */
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exec/ask.h"
#include "base/clock.h"
#include "wire/connection.h"
#include "base/failure.h"
#include "wire/order.h"

static const char *const questions[] = {"live", "ready", "startup"};

enum {
  DEFAULT_TIMEOUT_SECONDS = 5,
  MAX_TIMEOUT_SECONDS = 60,
  /* A daemon answers with a line. */
  ANSWER_MAX_BYTES = 4096,
  /* The kubelet truncates the text of an event. */
  SHOWN_MAX_BYTES = 1000,
};

static bool read_seconds(const char *text, uint32_t *seconds) {
  char *end;
  errno = 0;
  unsigned long number = strtoul(text, &end, 10);
  if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != 0 || number == 0 || number > MAX_TIMEOUT_SECONDS) return false;
  *seconds = (uint32_t)number;
  return true;
}

const char *probe_read_options(int count, char **values, struct probe *probe) {
  probe->timeout_seconds = DEFAULT_TIMEOUT_SECONDS;
  for (size_t i = 0; count > 0 && i < sizeof questions / sizeof questions[0]; i++) {
    if (strcmp(values[0], questions[i]) == 0) probe->question = questions[i];
  }
  if (probe->question == NULL) return "probe needs live, ready or startup";
  for (int i = 1; i < count; i += 2) {
    if (i + 1 == count) return "an option of probe has no value";
    if (strcmp(values[i], "--socket-dir") == 0) {
      probe->socket_directory = values[i + 1];
      if (values[i + 1][0] != '/') return "--socket-dir is not an absolute path";
    } else if (strcmp(values[i], "--timeout") == 0) {
      if (!read_seconds(values[i + 1], &probe->timeout_seconds)) return "--timeout is not a whole number of seconds from 1 to 60";
    } else {
      return "probe has the options --socket-dir and --timeout";
    }
  }
  return NULL;
}

/* Prints "<question>: <text>" as one line, without control characters. */
static int say(const struct probe *probe, struct bytes text, int exit_code) {
  struct buffer line = {0};
  buffer_say(&line, probe->question, ": ");
  for (size_t i = 0; i < text.length && i < SHOWN_MAX_BYTES; i++) {
    uint8_t byte = text.data[i];
    buffer_append_byte(&line, byte < ' ' || byte == 0x7f ? ' ' : byte);
  }
  buffer_say(&line, "\n");
  bool is_written = write_all(STDOUT_FILENO, line.data, line.length);
  buffer_free(&line);
  return is_written ? exit_code : 1;
}

/* Reports a missing answer: "multusd on /run/multus/multus.sock <what>: <why>". `why` may be empty. */
static int say_silence(const struct probe *probe, const char *socket_path, const char *what, const char *why) {
  struct buffer text = {0};
  buffer_say(&text, "multusd on ", socket_path, what, why[0] == 0 ? "" : ": ", why);
  int exit_code = say(probe, (struct bytes){text.data, text.length}, 1);
  buffer_free(&text);
  return exit_code;
}

/* Sends the question, which is smaller than any socket's buffer. */
static bool send_question(int fd, const struct probe *probe) {
  struct buffer hello = {0};
  ask_append_hello(&hello, "probe", probe->question);
  ssize_t sent = send(fd, hello.data, hello.length, MSG_NOSIGNAL | MSG_DONTWAIT);
  bool is_sent = sent >= 0 && (size_t)sent == hello.length;
  buffer_free(&hello);
  return is_sent;
}

/* Waits for one REPLY until `until`. Returns NULL and the reply, which points into `in`, or a text that says what the daemon did instead. */
static const char *read_answer(int fd, uint8_t *in, int64_t until, struct order_reply *reply) {
  size_t length = 0;
  for (;;) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t now = clock_micros();
    if (now >= until) return " does not answer in time: it hangs, is stopped, or the node has no processor for it";
    if (poll(&wait, 1, clock_poll_timeout(now, until)) <= 0) continue;
    ssize_t got = recv(fd, in + length, ANSWER_MAX_BYTES - length, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    if (got <= 0) return " went away before it answered";
    length += (size_t)got;
    struct frame frame;
    size_t size = 0;
    const char *problem;
    struct buffer field = {0};
    switch (frame_read((struct bytes){in, length}, &frame, &size, &problem)) {
      case FRAME_INCOMPLETE:
        if (size > ANSWER_MAX_BYTES || length == ANSWER_MAX_BYTES) return " answers with more than a line";
        continue;
      case FRAME_BROKEN:
        return " answers with something that is not the protocol";
      case FRAME_COMPLETE:
        break;
    }
    bool is_reply = frame.type == FRAME_REPLY && order_read_reply(frame.body, reply, &field);
    buffer_free(&field);
    return is_reply ? NULL : " answers with something that is no REPLY";
  }
}

int probe_run(const struct probe *probe, const char *socket_path) {
  int64_t until = clock_micros() + (int64_t)probe->timeout_seconds * MICROS_PER_SECOND;
  int fd = connection_try(socket_path, until - clock_micros());
  if (fd < 0 && errno == EAGAIN) {
    return say_silence(probe, socket_path, " does not take connections in time: it hangs or is stopped", "");
  }
  if (fd < 0) return say_silence(probe, socket_path, " cannot be reached", strerror(errno));
  uint8_t in[ANSWER_MAX_BYTES];
  struct order_reply reply;
  const char *silence = send_question(fd, probe) ? read_answer(fd, in, until, &reply) : " does not take the question";
  (void)close(fd);
  if (silence != NULL) return say_silence(probe, socket_path, silence, "");
  return say(probe, reply.output, reply.exit_code == 0 ? 0 : 1);
}
