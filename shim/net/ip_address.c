/* IPv4 and IPv6 addresses, as text and in the kernel's form. */
#include "net/ip_address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

bool ip_address_read(struct bytes text, struct ip_address *address) {
  char copy[INET6_ADDRSTRLEN] = {0};
  if (text.length >= sizeof copy) return false;
  if (text.length > 0) memcpy(copy, text.data, text.length);
  *address = (struct ip_address){0};
  address->family = strchr(copy, ':') == NULL ? AF_INET : AF_INET6;
  address->length = address->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
  return inet_pton(address->family, copy, address->bytes) == 1;
}

bool ip_address_take(uint8_t family, struct bytes content, struct ip_address *address) {
  if (content.length != (family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr))) return false;
  *address = (struct ip_address){.family = family, .length = (uint8_t)content.length};
  memcpy(address->bytes, content.data, content.length);
  return true;
}

bool ip_address_is(const struct ip_address *address, uint8_t family, struct bytes content) {
  return family == address->family && content.length == address->length && memcmp(content.data, address->bytes, address->length) == 0;
}
