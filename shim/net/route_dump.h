/* Finds the default routes of one interface in a dump of routes. It uses no socket, only bytes. */
#pragma once

#include "net/ip_address.h"

struct nlmsghdr;

/* The collected routes. */
struct route_dump {
  uint32_t if_index;
  uint8_t family;
  /* Consecutive RTM_DELROUTE messages, each with its length in its header. */
  struct buffer deletions;
  /* Is a route to this gateway among them? */
  const struct ip_address *wanted;
  bool has_wanted;
};

/* Takes one message of the dump; an rtnetlink_receive whose context is a struct route_dump. */
void route_dump_take(const struct nlmsghdr *header, struct bytes payload, void *context);
