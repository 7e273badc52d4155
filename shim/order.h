/* Parses and checks the bodies of the daemon's frames. */
#ifndef MULTUS_ORDER_H
#define MULTUS_ORDER_H

#include "frame.h"
#include "netns_identity.h"

enum {
  /* Most entries of `env` of an EXEC. environment.h lists the variables that an order may set. */
  ORDER_MAX_ENVIRONMENT = 64,
  /* Most addresses in `add` of a DEFAULT_ROUTE. */
  ORDER_MAX_GATEWAYS = 16,
  /* Most links of a LINK_STATES, and most addresses of each: link_states.h has one bit for each address. */
  ORDER_MAX_LINKS = 1024,
  ORDER_MAX_LINK_ADDRESSES = 64,
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
  /* The plugin gets an empty CNI_NETNS in place of that of `environment`. */
  bool without_netns;
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

struct order_default_route {
  struct order_link link;
  bool clear_ipv4;
  bool clear_ipv6;
  size_t gateway_count;
  struct bytes gateways[ORDER_MAX_GATEWAYS];
};

struct order_link_states {
  struct bytes netns;
  /* Its elements, taken off with order_take_expected_link(). */
  struct msgpack_value links;
  size_t count;
  /* Number of addresses of all links together. */
  size_t address_count;
};

/* A link of a LINK_STATES. */
struct order_expected_link {
  struct bytes if_name;
  /* Elements of a MessagePack array: texts, each an address that ip_address_read() reads. */
  struct bytes addresses;
};

struct order_reply {
  int exit_code;
  bool retry;
  bool record;
  bool tell;
  /* The replay is to be asked for again, so many milliseconds later. */
  bool has_again;
  uint32_t again_ms;
  struct bytes output;
};

/* Each returns false, and appends the reason to `problem`, if the body does not conform to docs/wire.md. */
bool order_read_exec(struct msgpack_value body, struct order_exec *order, struct buffer *problem);
bool order_read_link(struct msgpack_value body, struct order_link *order, struct buffer *problem);
bool order_read_default_route(struct msgpack_value body, struct order_default_route *order, struct buffer *problem);
bool order_read_link_states(struct msgpack_value body, struct order_link_states *order, struct buffer *problem);
bool order_read_reply(struct msgpack_value body, struct order_reply *reply, struct buffer *problem);

/* Takes the next link off the elements of an order that order_read_link_states() has read. False at their end. */
bool order_take_expected_link(struct bytes *links, struct order_expected_link *link);

#endif
