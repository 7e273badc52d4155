/* Replaces the default routes of one interface. */
#pragma once

#include "net/netlink_call.h"

enum { DEFAULT_ROUTE_MAX_GATEWAYS = 16 };

/* What to replace, and by which; the texts have no zero byte. */
struct default_route {
  struct bytes netns;
  struct bytes if_name;
  bool clear_ipv4;
  bool clear_ipv6;
  size_t gateway_count;
  /* As text. */
  struct bytes gateways[DEFAULT_ROUTE_MAX_GATEWAYS];
};

/* Carries out a DEFAULT_ROUTE. Appends the reason of a failure to `problem`. */
enum netlink_outcome default_route_set(const struct default_route *order, struct buffer *problem);
