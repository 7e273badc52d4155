/* Failures and other news: a CNI error object, a line on stderr. */
#pragma once

#include "base/buffer.h"

/* Codes of the CNI spec, section 5 "Error". */
enum cni_error {
  CNI_INCOMPATIBLE_VERSION = 1,
  CNI_INVALID_ENVIRONMENT = 4,
  CNI_IO_FAILURE = 5,
  CNI_INVALID_NETWORK_CONFIG = 7,
  /* Not in the spec: libcni's ErrInvalidNetNS. */
  CNI_INVALID_NETNS = 8,
  CNI_TRY_AGAIN_LATER = 11,
  CNI_PLUGIN_NOT_AVAILABLE = 50,
  CNI_INTERNAL = 999,
};

/* Sets `cniVersion` of later error objects, as the netconf has it. */
void failure_set_cni_version(struct bytes version);

/* Sends error objects to stderr: nothing reads an agent's stdout. */
void failure_use_stderr(void);

/* A failure that is not printed yet; all zero, there is none. */
struct failure {
  enum cni_error code;
  struct buffer message;
  struct buffer details;
};

void failure_free(struct failure *failure);

/* Prints the error object and gives the exit code: 1, or 2 where it cannot be printed. `details` may be empty. */
int print_failure(enum cni_error code, const char *message, const char *details);

/* Prints the error object and ends the process with that exit code. */
_Noreturn void fail(enum cni_error code, const char *message, const char *details);

/* Fails with "<what>: <text of errno>". */
_Noreturn void fail_errno(enum cni_error code, const char *what, int error);

/* Prints a text on a descriptor, frees it, and returns the exit code. */
int print_text(int fd, struct buffer *text);

/* Writes the texts as one line on stderr, which runtimes put into their log, if stderr takes it at once: a runtime that does not read stderr must not block
 * the shim. */
void notice_write(const char *const *texts);

#define notice(...) notice_write((const char *const[]){__VA_ARGS__, NULL})
