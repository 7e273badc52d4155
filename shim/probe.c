/* `multus probe`: asks the daemon, for the kubelet, whether it is live or ready. */
#include "roles.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/files.h"
#include "exec/ask.h"
#include "wire/order.h"

enum {
  MAX_TIMEOUT_SECONDS = 60,
  /* A daemon answers with a line. */
  ANSWER_MAX_BYTES = 4096,
  /* The kubelet truncates the text of an event. */
  SHOWN_MAX_BYTES = 1000,
};

/* Prints "<question>: <text>" as one line, without control characters. */
static int say(const char *question, struct bytes text, int exit_code) {
  struct buffer line = {0};
  buffer_say(&line, question, ": ");
  for (size_t i = 0; i < text.length && i < SHOWN_MAX_BYTES; i++) {
    uint8_t byte = text.data[i];
    buffer_append_byte(&line, byte < ' ' || byte == 0x7f ? ' ' : byte);
  }
  buffer_say(&line, "\n");
  return print_text(STDOUT_FILENO, &line) == 0 ? exit_code : 1;
}

/* Reports a missing answer: "multusd on /run/multus/multus.sock <what>: <why>". `why` may be empty. */
static int say_silence(const char *question, const char *socket_path, const char *what, const char *why) {
  struct buffer text = {0};
  buffer_say(&text, "multusd on ", socket_path, what, why[0] == 0 ? "" : ": ", why);
  int exit_code = say(question, buffer_bytes(&text), 1);
  buffer_free(&text);
  return exit_code;
}

/* Waits for one REPLY until `until`. Returns NULL and the reply, which points into the connection, or a text that says what the daemon did instead. */
static const char *read_answer(struct connection *connection, int64_t until, struct order_reply *reply) {
  /* The question is smaller than any socket's buffer. */
  connection_send(connection);
  if (connection->out.length > 0) return " does not take the question";
  for (;;) {
    struct pollfd wait = {.fd = connection->fd, .events = POLLIN};
    int64_t now = clock_micros();
    if (now >= until) return " does not answer in time: it hangs, is stopped, or the node has no processor for it";
    if (poll(&wait, 1, clock_poll_timeout(now, until)) <= 0) continue;
    bool is_open = connection_receive(connection);
    struct frame frame;
    size_t size;
    struct buffer problem = {0};
    const char *broken;
    enum frame_status status = frame_read(buffer_bytes(&connection->in), &frame, &size, &broken);
    if (status == FRAME_BROKEN) return " answers with something that is not the protocol";
    if (size > ANSWER_MAX_BYTES) return " answers with more than a line";
    if (status == FRAME_COMPLETE) {
      bool is_reply = frame.type == FRAME_REPLY && order_read_reply(frame.body, reply, &problem);
      buffer_free(&problem);
      return is_reply ? NULL : " answers with something that is no REPLY";
    }
    if (!is_open) return " went away before it answered";
  }
}

static int ask(const char *question, const char *socket_path, uint32_t timeout_seconds) {
  int64_t until = clock_micros() + (int64_t)timeout_seconds * MICROS_PER_SECOND;
  struct connection connection = {.fd = connection_try(socket_path, until - clock_micros())};
  if (connection.fd < 0 && errno == EAGAIN) {
    return say_silence(question, socket_path, " does not take connections in time: it hangs or is stopped", "");
  }
  if (connection.fd < 0) return say_silence(question, socket_path, " cannot be reached", strerror(errno));
  struct order_reply reply;
  ask_append_hello(&connection.out, "probe", question);
  const char *silence = read_answer(&connection, until, &reply);
  int exit_code = silence != NULL ? say_silence(question, socket_path, silence, "") : say(question, reply.output, reply.exit_code == 0 ? 0 : 1);
  file_close(&connection.fd);
  connection_free(&connection);
  return exit_code;
}

int probe_run(const struct program *program, int count, char **arguments) {
  static const char *const questions[] = {"live", "ready", "startup"};
  const char *question = NULL, *directory = connection_default_directory, *timeout = "5";
  uint32_t seconds;
  for (size_t i = 0; count > 0 && i < COUNT_OF(questions); i++) {
    if (strcmp(arguments[0], questions[i]) == 0) question = questions[i];
  }
  if (question == NULL) return program_refuse(program, "probe needs live, ready or startup");
  const struct option options[] = {{"--socket-dir", &directory, NULL}, {"--timeout", &timeout, NULL}, {0}};
  const char *problem =
      program_read_options(count - 1, arguments + 1, options, "probe has the options --socket-dir and --timeout", "an option of probe has no value");
  if (problem == NULL && directory[0] != '/') problem = "--socket-dir is not an absolute path";
  if (problem == NULL && !program_read_number(timeout, 1, MAX_TIMEOUT_SECONDS, &seconds)) problem = "--timeout is not a whole number of seconds from 1 to 60";
  if (problem != NULL) return program_refuse(program, problem);
  struct buffer socket_path = {0};
  buffer_say(&socket_path, directory, connection_socket_name);
  int exit_code = ask(question, buffer_text(&socket_path), seconds);
  buffer_free(&socket_path);
  return exit_code;
}
