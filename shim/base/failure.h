/* Fails: prints one CNI error object and ends the process. */
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

/* Prints the error object and gives the exit code: 1, or 2 where it cannot be printed. `details` may be empty. */
int print_failure(enum cni_error code, const char *message, const char *details);

/* Prints the error object and ends the process with that exit code. */
_Noreturn void fail(enum cni_error code, const char *message, const char *details);

/* Fails with "<what>: <text of errno>". */
_Noreturn void fail_errno(enum cni_error code, const char *what, int error);

/* Writes everything, and blocks if necessary. False if it cannot be written (the reader is gone, the disk is full). */
bool write_all(int fd, const void *data, size_t length);

/* Prints a text on stdout, frees it, and returns the exit code. */
int print_text(int fd, struct buffer *text);
