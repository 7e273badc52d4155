/* Failures and other news: a CNI error object, a line on stderr. */
#include "base/failure.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"

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

void failure_free(struct failure *failure) {
  buffer_free(&failure->message);
  buffer_free(&failure->details);
}

void failure_use_stderr(void) { answer.fd = STDERR_FILENO; }

int print_text(int fd, struct buffer *text) {
  bool written = file_write(fd, text->data, text->length);
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
  buffer_print(&json, "\"code\":%u,\"msg\":", (unsigned)code);
  json_append_string(&json, bytes_of_text(message));
  if (details[0] != 0) {
    buffer_say(&json, ",\"details\":");
    json_append_string(&json, bytes_of_text(details));
  }
  buffer_say(&json, "}\n");
  bool written = file_write(answer.fd, json.data, json.length);
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

void notice_write(const char *const *texts) {
  struct buffer line = {0};
  buffer_say(&line, "multus: ");
  buffer_append_texts(&line, texts);
  buffer_say(&line, "\n");
  struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
  /* A line that stderr does not take is lost: there is no other place for it. */
  if (poll(&ready, 1, 0) > 0) (void)!write(STDERR_FILENO, line.data, line.length);
  buffer_free(&line);
}
