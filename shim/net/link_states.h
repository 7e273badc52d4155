/* LINK_STATES: whether links exist, their hardware addresses, and whether they have the expected addresses. */
#pragma once

#include "net/ip_address.h"
#include "net/link_find.h"
#include "net/netlink_call.h"

struct nlmsghdr;

enum {
  /* Most addresses of one link: `present` has a bit for each. */
  LINK_STATES_MAX_ADDRESSES = 64,
};

/* One link: what is asked for, and what is there. */
struct seen_link {
  struct bytes if_name;
  /* Its index is 0 if the link does not exist. */
  struct found_link link;
  /* Addresses that it should have. */
  size_t address_count;
  /* Bit n: the link has the nth of them. */
  uint64_t present;
};

/* An address that a link should have. */
struct expected_address {
  /* The kernel's index of the link, 0 as long as that is unknown. */
  uint32_t if_index;
  struct ip_address address;
  /* Indices: the link in the order, and the address in that link. */
  uint16_t link;
  uint8_t place;
};

/* All zero is an empty one. */
struct link_states {
  struct bytes netns;
  size_t count;
  struct seen_link *list;
  /* Consecutive struct expected_address, of all links. */
  struct buffer addresses;
};

/* Carries out a LINK_STATES, which changes nothing: finds out what `states` asks for. Appends the reason of a failure to `problem`. */
enum netlink_outcome link_states_look(struct link_states *states, struct buffer *problem);

void link_states_free(struct link_states *states);

/* Sorts the addresses for link_states_take_address(). */
void link_states_sort(struct link_states *states);

/* Takes one message of a dump of addresses; an rtnetlink_receive whose context is a struct link_states. */
void link_states_take_address(const struct nlmsghdr *header, struct bytes payload, void *context);
