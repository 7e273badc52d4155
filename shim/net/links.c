/* Links of a network namespace: whether they exist, their hardware addresses, and which addresses they have. */
#include "net/links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/files.h"
#include "net/netns.h"

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

const char *link_look(struct bytes netns, struct bytes if_name, bool *exists, struct buffer *problem) {
  int descriptor = netns_socket(netns, AF_UNIX, SOCK_DGRAM, 0, problem);
  if (descriptor < 0) return "netns";
  /* SO_BINDTODEVICE looks the name up without the lock that all changes of links wait for. Unlike SIOCGIFINDEX, it does not try to load
   * a module "netdev-<name>" if the link is missing, which is the usual case. */
  *exists = setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, if_name.data, (socklen_t)if_name.length) == 0;
  int error = *exists || errno == ENODEV ? 0 : errno;
  file_close(&descriptor);
  if (error == 0) return NULL;
  buffer_print(problem, "cannot look for interface %.*s: %s", BYTES_TEXT(if_name), strerror(error));
  return "failed";
}

int link_find(struct rtnetlink *rtnetlink, struct bytes if_name, struct found_link *link) {
  struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
  struct buffer message = {0};
  char name[IFNAMSIZ] = {0};
  *link = (struct found_link){0};
  if (if_name.length >= sizeof name) return ENODEV;
  memcpy(name, if_name.data, if_name.length);
  rtnetlink_begin(&message, RTM_GETLINK, 0, &fixed, sizeof fixed);
  rtnetlink_attribute(&message, IFLA_IFNAME, name, if_name.length + 1);
  int error = rtnetlink_ask(rtnetlink, &message, link_find_take, link);
  buffer_free(&message);
  return error == 0 && link->index == 0 ? ENODEV : error;
}

void link_find_take(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct found_link *link = context;
  struct ifinfomsg fixed;
  if (header->nlmsg_type != RTM_NEWLINK || payload.length < sizeof fixed) return;
  memcpy(&fixed, payload.data, sizeof fixed);
  *link = (struct found_link){.index = (uint32_t)fixed.ifi_index};
  bytes_skip(&payload, sizeof fixed);
  struct bytes content;
  if (!rtnetlink_find_attribute(payload, IFLA_ADDRESS, &content) || content.length > sizeof link->address) return;
  link->address_length = (uint8_t)content.length;
  if (content.length > 0) memcpy(link->address, content.data, content.length);
}

static bool is_complete(const struct link_states *states) {
  for (size_t i = 0; i < states->count; i++) {
    const struct seen_link *state = &states->list[i];
    uint64_t all = state->address_count == 64 ? UINT64_MAX : (UINT64_C(1) << state->address_count) - 1;
    if (state->link.index != 0 && state->present != all) return false;
  }
  return true;
}

static int compare(const void *left, const void *right) {
  const struct expected_address *a = left, *b = right;
  if (a->if_index != b->if_index) return a->if_index < b->if_index ? -1 : 1;
  return memcmp(&a->address, &b->address, sizeof a->address);
}

static struct expected_address *addresses_of(const struct link_states *states) { return (struct expected_address *)(void *)states->addresses.data; }

static size_t address_count(const struct link_states *states) { return states->addresses.length / sizeof(struct expected_address); }

void link_states_sort(struct link_states *states) {
  if (states->addresses.length > 0) qsort(states->addresses.data, address_count(states), sizeof(struct expected_address), compare);
}

void link_states_take_address(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct link_states *states = context;
  struct ifaddrmsg fixed;
  struct expected_address wanted = {0};
  struct bytes own;
  if (header->nlmsg_type != RTM_NEWADDR || payload.length < sizeof fixed) return;
  memcpy(&fixed, payload.data, sizeof fixed);
  bytes_skip(&payload, sizeof fixed);
  /* If both attributes are there, IFA_ADDRESS is the peer's. */
  if (!rtnetlink_find_attribute(payload, IFA_LOCAL, &own) && !rtnetlink_find_attribute(payload, IFA_ADDRESS, &own)) return;
  if (!ip_address_take(fixed.ifa_family, own, &wanted.address)) return;
  wanted.if_index = fixed.ifa_index;
  /* Start at the first match: an order may list a link more than once. */
  const struct expected_address *addresses = addresses_of(states);
  size_t first = 0, count = address_count(states), end = count;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    if (compare(&addresses[middle], &wanted) < 0) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  for (; first < count && compare(&addresses[first], &wanted) == 0; first++) {
    states->list[addresses[first].link].present |= UINT64_C(1) << addresses[first].place;
  }
}

static int look_at_links(struct rtnetlink *rtnetlink, void *context) {
  struct link_states *states = context;
  rtnetlink->doing = "looking for the interfaces";
  for (size_t i = 0; i < states->count; i++) {
    int error = link_find(rtnetlink, states->list[i].if_name, &states->list[i].link);
    if (error != 0 && error != ENODEV) return error;
  }
  struct expected_address *addresses = addresses_of(states);
  for (size_t i = 0; i < address_count(states); i++) addresses[i].if_index = states->list[addresses[i].link].link.index;
  link_states_sort(states);
  rtnetlink->doing = "looking for the addresses";
  struct ifaddrmsg fixed = {.ifa_family = AF_UNSPEC};
  /* All addresses in one dump of the namespace. */
  int error = is_complete(states) ? 0 : rtnetlink_dump(rtnetlink, RTM_GETADDR, &fixed, sizeof fixed, NULL, link_states_take_address, states);
  /* Addresses that a dump has shown exist, even if the dump was inconsistent. */
  return error == EAGAIN && is_complete(states) ? 0 : error;
}

const char *link_states_look(struct link_states *states, struct buffer *problem) {
  return rtnetlink_do(states->netns, "interfaces", (struct bytes){0}, look_at_links, states, problem);
}

void link_states_free(struct link_states *states) {
  free(states->list);
  buffer_free(&states->addresses);
  *states = (struct link_states){0};
}
