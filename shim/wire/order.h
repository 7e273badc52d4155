/* Parses and checks the bodies of the daemon's frames. */
#pragma once

#include "wire/frame.h"
#include "net/default_route.h"
#include "net/netns.h"

enum {
  /* Most entries of `env` of an EXEC. environment.h lists the variables that an order may set. */
  ORDER_MAX_ENVIRONMENT = 64,
  /* Most links of a LINK_STATES. */
  ORDER_MAX_LINKS = 1024,
  /* IFNAMSIZ without the zero byte. */
  ORDER_MAX_IF_NAME = 15,
};

/* The texts below point into the frame and hold no zero byte. */

struct order_link {
  struct bytes netns;
  struct bytes if_name;
};

struct order_exec {
  struct bytes plugin;
  struct bytes path;
  /* Pairs of texts; the names are not empty and have no `=`. */
  struct msgpack_value environment;
  /* The plugin gets CNI_NETNS of `environment` only where it is this network namespace, and no process runs in it. */
  bool has_left_netns;
  struct netns_identity left_netns;
  struct bytes input;
  uint64_t timeout_ms;
  bool has_absent_link;
  struct order_link absent_link;
  /* Do not start the plugin if its file is in the state `file_state`; the answer has the present state. */
  bool has_file_state;
  struct bytes file_state;
};

/* An order may wait for the success of an earlier one: an EXEC that ended with exit code 0, or links that were made or removed. */
struct order_after {
  bool present;
  uint32_t id;
};

struct order_reply {
  int exit_code;
  /* Nothing was begun: the next daemon should be asked. */
  bool retry;
  /* This DEL has failed, and is to be recorded and retried in the background. */
  bool record;
  /* The runtime gets the failure nevertheless. */
  bool tell;
  /* The replay is to be asked for again, so many milliseconds later. */
  bool has_again;
  uint32_t again_ms;
  struct bytes output;
};

/* Each returns false, and appends the reason to `problem`, if the body does not conform to docs/wire.md. */
bool order_read_exec(struct msgpack_value body, struct order_exec *order, struct buffer *problem);
/* Reads `after` of any order that may have it. */
bool order_read_after(struct msgpack_value body, struct order_after *after, struct buffer *problem);
bool order_read_link(struct msgpack_value body, struct order_link *order, struct buffer *problem);
bool order_read_default_route(struct msgpack_value body, struct default_route *order, struct buffer *problem);
/* `states`, which is all zero before, has to be freed with link_states_free() in either case. */
bool order_read_link_states(struct msgpack_value body, struct link_states *states, struct buffer *problem);
bool order_read_reply(struct msgpack_value body, struct order_reply *reply, struct buffer *problem);
