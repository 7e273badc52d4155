/* IPv4 and IPv6 addresses, as text and in the kernel's form. */
#pragma once

#include <netinet/in.h>

#include "base/buffer.h"

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

/* Is the content of a kernel's attribute of `family` this address? */
bool ip_address_is(const struct ip_address *address, uint8_t family, struct bytes content);
