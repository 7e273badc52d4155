/* Replaces the default routes of one interface. */
#pragma once

#include "net/links.h"

enum { DEFAULT_ROUTE_MAX_GATEWAYS = 16 };

/* The routes to replace, and the new ones; the texts have no zero byte. */
struct default_route {
  struct bytes netns;
  struct bytes if_name;
  bool clear_ipv4;
  bool clear_ipv6;
  size_t gateway_count;
  /* As text. */
  struct bytes gateways[DEFAULT_ROUTE_MAX_GATEWAYS];
};

/* Carries out a DEFAULT_ROUTE. Returns NULL, or the `error` of a DONE, and appends the reason to `problem`. */
const char *default_route_set(const struct default_route *order, struct buffer *problem);

/* The default routes of the main table through one interface. */
struct route_dump {
  uint32_t if_index;
  uint8_t family;
  /* Consecutive RTM_DELROUTE messages, each with its length in its header. */
  struct buffer deletions;
  /* Is a route to this gateway among them? */
  const struct ip_address *wanted;
  bool has_wanted;
};

/* Takes one message of a dump of routes; an rtnetlink_receive whose context is a struct route_dump. */
void route_dump_take(const struct nlmsghdr *header, struct bytes payload, void *context);
