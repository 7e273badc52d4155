/* The runtime's request: the CNI_ variables, and the netconf on stdin. */
#pragma once

#include "base/buffer.h"
#include "base/signals.h"

/* The variables, unchanged; "" if unset. */
struct request {
  const char *command;
  const char *container_id;
  const char *netns;
  const char *if_name;
  const char *args;
  const char *path;
  const char *traceparent;
  /* stdin */
  struct buffer config;
};

/* Reads the variables and checks those that the CNI spec (section 2, "Parameters") requires for the command.
 * Ends the process with CNI error 4, which names the missing or wrong variables. */
void request_read_environment(struct request *request);

enum { REQUEST_VARIABLES = 6 };
/* Appends the CNI_ variables as REQUEST_VARIABLES pairs of a REQUEST's map. */
void request_put_variables(const struct request *request, struct buffer *out);

/* Is the request about one attachment of one container? GC and STATUS are not, regardless of the environment. */
bool request_has_attachment(const struct request *request);

/* False for DEL and STATUS, which are answered at once without a daemon: a DEL is recorded, or retried by the runtime, and STATUS reports it. */
bool request_needs_daemon(const struct request *request);

/* Is this a valid container id (CNI spec, section 2), a valid name of an interface? */
bool request_is_container_id(const char *id);
bool request_is_if_name(const char *name);

/* Reads stdin to its end, at most 4 MiB. Ends the process with CNI error 5, 7 or, on a signal, 11. */
void request_read_config(struct request *request, const struct signals *signals);
