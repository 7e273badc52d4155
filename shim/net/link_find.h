/* Finds one link by name: its index and hardware address. */
#pragma once

#include "base/buffer.h"

struct nlmsghdr;

enum {
  /* MAX_ADDR_LEN of the kernel. */
  LINK_MAX_ADDRESS = 32,
};

struct found_link {
  /* 0: none was found. */
  uint32_t index;
  /* Bytes of `address`; 0: the link has none. */
  uint8_t address_length;
  uint8_t address[LINK_MAX_ADDRESS];
};

/* Asks the kernel, over a netlink socket, for the link of this name, 1 to 15 bytes without a zero byte; an alternative name counts.
 * Returns 0 or an errno (ENODEV: no such link), with the kernel's message in `explanation`. */
int link_find(int descriptor, struct bytes if_name, struct found_link *link, struct buffer *explanation);

/* Takes one message of the answer; an rtnetlink_receive whose context is a struct found_link. */
void link_find_take(const struct nlmsghdr *header, struct bytes payload, void *context);
