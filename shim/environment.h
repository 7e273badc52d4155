/* The environment of a delegate: ours without what the runtime said to us, and what the order says over it. */
#ifndef MULTUS_ENVIRONMENT_H
#define MULTUS_ENVIRONMENT_H

#include "msgpack.h"

/* Every delegate finds this variable, and hands it on to the plugins that it runs itself: the shim that finds it is no plugin that a
 * runtime has started. */
#define ENVIRONMENT_DELEGATE_MARK "MULTUS_DELEGATE"

/* The variables that orders may set, in the order of `environment_settable`. */
enum {
  /* CNI spec, section 2 "Parameters". */
  ENVIRONMENT_COMMAND,
  ENVIRONMENT_CONTAINER_ID,
  ENVIRONMENT_NETNS,
  ENVIRONMENT_IF_NAME,
  ENVIRONMENT_ARGS,
  ENVIRONMENT_PATH,
  ENVIRONMENT_PARAMETERS,
  /* OpenTelemetry, "Environment Variables as Context Propagation Carriers". */
  ENVIRONMENT_TRACEPARENT = ENVIRONMENT_PARAMETERS,
  ENVIRONMENT_TRACESTATE,
  ENVIRONMENT_SETTABLE,
};
extern const char *const environment_settable[ENVIRONMENT_SETTABLE];

/* Which of our own variables a delegate gets. */
enum environment_base {
  /* All but the parameters of the CNI spec, which belong to our call and not to the delegate's. */
  ENVIRONMENT_OF_RUNTIME,
  /* Only PATH: an agent's environment is the daemon's. */
  ENVIRONMENT_OF_AGENT,
  /* Only PATH, and no mark: the agent plays the runtime. */
  ENVIRONMENT_OF_PLAYED_RUNTIME,
};

/* A list for execve(). The own variables are not copied: it is good as long as our environment stays as it is.
 * `over` is a map of texts as order_read_exec() has checked it; `without_netns`: its CNI_NETNS is made empty. Freed with environment_free(). */
struct environment {
  char **list;
  char *texts;
};

struct environment environment_make(enum environment_base base, struct msgpack_value over, bool without_netns);
void environment_free(struct environment *environment);

#endif
