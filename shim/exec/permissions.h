/* Decides which orders are permitted in one call (docs/wire.md, "What the shim refuses"). */
#pragma once

#include "exec/environment.h"
#include "exec/plugin_path.h"
#include "net/native_links.h"
#include "wire/order.h"
#include "wire/request.h"

/* The work that the orders belong to. */
enum permissions_of {
  /* A runtime's call. */
  PERMISSIONS_OF_CALL,
  /* DELs that are recorded. */
  PERMISSIONS_OF_REPLAY,
  /* Calls that an agent does not see. */
  PERMISSIONS_OF_AGENT,
};

struct permissions {
  enum permissions_of of;
  const struct plugin_directories *directories;
  /* The runtime's call; NULL for the others. */
  const struct request *call;
  enum environment_base environment_base;
  /* Of a GC: the containers that the runtime declares valid, zero-terminated texts. */
  struct buffer valid_containers;
  /* Of a GC: the runtime has sent such a list. */
  bool has_valid_containers;
};

/* Permissions of a runtime's call; `call` and `directories` must outlive them. Freed with permissions_free(). */
struct permissions permissions_of_call(const struct request *call, const struct plugin_directories *directories);

/* Those of the process that stays for recorded DELs; `directories` has to outlive them. */
struct permissions permissions_of_replay(const struct plugin_directories *directories);

/* Permissions of an agent, whose plugins get the environment `base`. */
struct permissions permissions_of_agent(const struct plugin_directories *directories, enum environment_base base);

void permissions_free(struct permissions *permissions);

/* Each returns false, and appends the reason to `problem`, if the order is not permitted. */
/* An EXEC: fills `variables` (ENVIRONMENT_SETTABLE, all zero before), with an empty CNI_NETNS where the plugin does not get the namespace that the order names. */
bool permissions_exec(const struct permissions *permissions, const struct order_exec *order, struct variable *variables, struct buffer *problem);
bool permissions_link(const struct permissions *permissions, const struct order_link *order, struct buffer *problem);
bool permissions_link_states(const struct permissions *permissions, const struct link_states *order, struct buffer *problem);
bool permissions_default_route(const struct permissions *permissions, const struct default_route *order, struct buffer *problem);
/* ATTACH_LINKS belongs to an ADD, DETACH_LINKS to a DEL; neither to an agent. */
bool permissions_native_links(const struct permissions *permissions, const struct native_links *order, const char *command, struct buffer *problem);
