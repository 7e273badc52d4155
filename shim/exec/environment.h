/* The environment of a delegate: the shim's own without the parameters of its call, overlaid with the order's `env`. */
#pragma once

#include "base/buffer.h"

/* Every delegate gets this variable and passes it on to the plugins that it runs. A shim that finds it was started by a delegate, not by
 * a runtime. */
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

/* The place of a name among them; ENVIRONMENT_SETTABLE: it is none of them. */
size_t environment_index(struct bytes name);

/* A variable of an order's `env`; its value has no zero byte. */
struct variable {
  bool is_set;
  struct bytes value;
};

/* Which of the shim's own variables a delegate gets. */
enum environment_base {
  /* All but the parameters of the CNI spec, which belong to the shim's call and not to the delegate's. */
  ENVIRONMENT_OF_RUNTIME,
  /* Only PATH: an agent's environment is the daemon's. */
  ENVIRONMENT_OF_AGENT,
  /* Only PATH, and no mark: the agent plays the runtime. */
  ENVIRONMENT_OF_PLAYED_RUNTIME,
};

/* A list for execve(), freed with environment_free(). The shim's own variables are not copied: the list is valid while its environment does not change. */
struct environment {
  char **list;
  struct buffer texts;
};

/* `variables`: ENVIRONMENT_SETTABLE of them. */
struct environment environment_make(enum environment_base base, const struct variable *variables);
void environment_free(struct environment *environment);
