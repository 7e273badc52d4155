/* The environment of a delegate: ours without what the runtime said to us, and what the order says over it. */
#ifndef MULTUS_ENVIRONMENT_H
#define MULTUS_ENVIRONMENT_H

#include "msgpack.h"

/* Which of our own variables a delegate gets. */
enum environment_base {
  /* All but the parameters of the CNI spec, which belong to our call and not to the delegate's. */
  ENVIRONMENT_OF_RUNTIME,
  /* Only PATH: an agent's environment is the daemon's. */
  ENVIRONMENT_OF_AGENT,
};

/* A list for execve(). The own variables are not copied: it is good as long as our environment stays as it is.
 * `over` is a map of texts as order_read_exec() has checked it. Freed with environment_free(). */
struct environment {
  char **list;
  char *texts;
};

struct environment environment_make(enum environment_base base, struct msgpack_value over);
void environment_free(struct environment *environment);

#endif
