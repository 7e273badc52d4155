/* What the runtime asks: the CNI_ variables and the netconf on stdin. */
#ifndef MULTUS_REQUEST_H
#define MULTUS_REQUEST_H

#include "buffer.h"
#include "signals.h"

/* The variables as they came, "" where unset. */
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

/* Takes the variables over and checks what the CNI spec (section 2, "Parameters") requires for the command.
 * Ends the process with CNI error 4 that names what is missing or wrong. */
void request_read_environment(struct request *request);

enum { REQUEST_VARIABLES = 6 };
/* Appends the REQUEST_VARIABLES pairs of a REQUEST's map that are the CNI_ variables. */
void request_put_variables(const struct request *request, struct buffer *out);

/* Is it about one attachment of one container? GC and STATUS are not, whatever the environment says. */
bool request_has_attachment(const struct request *request);

/* False for DEL and STATUS. Without a daemon a DEL is recorded, or tried again by the runtime, and STATUS says so: both are answered at once. */
bool request_needs_daemon(const struct request *request);

/* Can this be a container id (CNI spec, section 2), the name of an interface? */
bool request_is_container_id(const char *id);
bool request_is_if_name(const char *name);

/* Reads stdin to its end, at most 4 MiB. Ends the process with CNI error 5, 7 or, on a signal, 11. */
void request_read_config(struct request *request, const struct signals *signals);

#endif
