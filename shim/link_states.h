/* LINK_STATES: whether links exist, their hardware addresses, and whether they have the expected addresses. */
#ifndef MULTUS_LINK_STATES_H
#define MULTUS_LINK_STATES_H

#include "ip_address.h"
#include "link_find.h"
#include "netlink_call.h"
#include "order.h"

struct nlmsghdr;

/* One link of the order. */
struct seen_link {
  /* Its index is 0 if the link does not exist. */
  struct found_link link;
  /* Addresses that it should have. */
  size_t address_count;
  /* Bit n: the link has the nth of them. */
  uint64_t present;
};

/* An address that a link should have. */
struct expected_address {
  /* The kernel's index of the link. */
  uint32_t if_index;
  struct ip_address address;
  /* Indices: the link in the order, and the address in that link. */
  uint16_t link;
  uint8_t place;
};

struct link_states {
  size_t count;
  struct seen_link *list;
  size_t address_count;
  /* Of all links that exist, sorted by link_states_sort(). */
  struct expected_address *addresses;
};

/* Carries out a LINK_STATES, which changes nothing. NETLINK_DONE: `states` has the links in the sequence of the order; free it with link_states_free().
 * Otherwise appends the reason to `problem`. */
enum netlink_outcome link_states_look(const struct order_link_states *order, struct link_states *states, struct buffer *problem);

void link_states_free(struct link_states *states);

/* Sorts the addresses for link_states_take_address(). */
void link_states_sort(struct link_states *states);

/* Takes one message of a dump of addresses; an rtnetlink_receive whose context is a struct link_states. */
void link_states_take_address(const struct nlmsghdr *header, struct bytes payload, void *context);

#endif
