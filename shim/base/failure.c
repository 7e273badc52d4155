/* Fails: prints one CNI error object and ends the process. */
#include "base/failure.h"

#include "base/json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* `cniVersion` and destination of every error object of this process. */
static struct {
  char cni_version[32];
  int fd;
} answer = {.fd = STDOUT_FILENO};

void failure_set_cni_version(struct bytes version) {
  /* A value that is empty, or longer than any version, is no version. */
  if (version.length == 0 || version.length >= sizeof answer.cni_version) return;
  memcpy(answer.cni_version, version.data, version.length);
  answer.cni_version[version.length] = 0;
}

void failure_use_stderr(void) { answer.fd = STDERR_FILENO; }

bool write_all(int fd, const void *data, size_t length) {
  const uint8_t *at = data;
  while (length > 0) {
    ssize_t written = write(fd, at, length);
    if (written >= 0) {
      at += written;
      length -= (size_t)written;
    } else if (errno == EAGAIN) {
      struct pollfd wait = {.fd = fd, .events = POLLOUT};
      if (poll(&wait, 1, -1) < 0 && errno != EINTR) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

int print_text(int fd, struct buffer *text) {
  bool written = write_all(fd, text->data, text->length);
  buffer_free(text);
  return written ? 0 : 1;
}

int print_failure(enum cni_error code, const char *message, const char *details) {
  struct buffer json = {0};
  buffer_say(&json, "{");
  if (answer.cni_version[0] != 0) {
    buffer_say(&json, "\"cniVersion\":");
    json_append_string(&json, bytes_of_text(answer.cni_version));
    buffer_say(&json, ",");
  }
  buffer_say(&json, "\"code\":");
  buffer_append_unsigned(&json, code);
  buffer_say(&json, ",\"msg\":");
  json_append_string(&json, bytes_of_text(message));
  if (details[0] != 0) {
    buffer_say(&json, ",\"details\":");
    json_append_string(&json, bytes_of_text(details));
  }
  buffer_say(&json, "}\n");
  bool written = write_all(answer.fd, json.data, json.length);
  buffer_free(&json);
  return written ? 1 : 2;
}

_Noreturn void fail(enum cni_error code, const char *message, const char *details) {
  /* Without cleanup: the kernel frees the process's resources. */
  _exit(print_failure(code, message, details));
}

_Noreturn void fail_errno(enum cni_error code, const char *what, int error) {
  struct buffer message = {0};
  buffer_say(&message, what, ": ", strerror(error));
  fail(code, buffer_text(&message), "");
}
