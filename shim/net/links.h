/* Links of a network namespace: whether they exist, their hardware addresses, and which addresses they have. */
#pragma once

#include <netinet/in.h>

#include "net/rtnetlink.h"

struct ip_address {
  /* AF_INET or AF_INET6. */
  uint8_t family;
  /* Number of used bytes in `bytes`, 4 or 16; the others are zero. */
  uint8_t length;
  uint8_t bytes[sizeof(struct in6_addr)];
};

/* Reads an address as inet_pton() does: no prefix length, no zone. False: `text` is no address. */
bool ip_address_read(struct bytes text, struct ip_address *address);

/* Reads an address from the content of a kernel's attribute of `family`. False: it is no address. */
bool ip_address_take(uint8_t family, struct bytes content, struct ip_address *address);

/* Carries out a LINK_EXISTS: is there a link of this name (or with this alternative name) in the namespace? Returns NULL and `*exists`, or the `error` of a
 * DONE, and appends the reason to `problem`. */
const char *link_look(struct bytes netns, struct bytes if_name, bool *exists, struct buffer *problem);

enum {
  /* MAX_ADDR_LEN of the kernel. */
  LINK_MAX_ADDRESS = 32,
  /* Most addresses of one link: `present` has a bit for each. */
  LINK_STATES_MAX_ADDRESSES = 64,
};

struct found_link {
  /* 0: none was found. */
  uint32_t index;
  /* Bytes of `address`; 0: the link has none. */
  uint8_t address_length;
  uint8_t address[LINK_MAX_ADDRESS];
};

/* Asks the kernel for the link of this name, 1 to 15 bytes without a zero byte; an alternative name counts. 0 or an errno (ENODEV: no such link). */
int link_find(struct rtnetlink *rtnetlink, struct bytes if_name, struct found_link *link);

/* Takes one message of the answer; an rtnetlink_receive whose context is a struct found_link. */
void link_find_take(const struct nlmsghdr *header, struct bytes payload, void *context);

/* One link of a LINK_STATES: what is asked for, and what is there. */
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

/* Carries out a LINK_STATES, which changes nothing: finds out what `states` asks for. Returns NULL, or the `error` of a DONE, and appends the reason to
 * `problem`. */
const char *link_states_look(struct link_states *states, struct buffer *problem);

void link_states_free(struct link_states *states);

/* Sorts the addresses for link_states_take_address(). */
void link_states_sort(struct link_states *states);

/* Takes one message of a dump of addresses; an rtnetlink_receive whose context is a struct link_states. */
void link_states_take_address(const struct nlmsghdr *header, struct bytes payload, void *context);
