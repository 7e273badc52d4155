/* LINK_STATES: whether links exist, their hardware addresses, and whether they have the expected addresses. */
#include "net/link_states.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/rtnetlink.h"

static uint64_t all_of(const struct seen_link *state) {
  return state->address_count == 64 ? UINT64_MAX : (UINT64_C(1) << state->address_count) - 1;
}

static bool is_complete(const struct link_states *states) {
  for (size_t i = 0; i < states->count; i++) {
    const struct seen_link *state = &states->list[i];
    if (state->link.index != 0 && state->present != all_of(state)) return false;
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

/* The link's own address. False: the message has none. */
static bool own_address(struct ifaddrmsg fixed, struct bytes attributes, struct ip_address *address) {
  struct bytes content, own = {0};
  uint16_t type;
  bool has_local = false;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    /* If both attributes are there, IFA_ADDRESS is the peer's. */
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && !has_local)) own = content;
    if (type == IFA_LOCAL) has_local = true;
  }
  return ip_address_take(fixed.ifa_family, own, address);
}

void link_states_take_address(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct link_states *states = context;
  struct ifaddrmsg fixed;
  struct expected_address wanted = {0};
  if (header->nlmsg_type != RTM_NEWADDR || payload.length < sizeof fixed) return;
  memcpy(&fixed, payload.data, sizeof fixed);
  struct bytes attributes = {payload.data + sizeof fixed, payload.length - sizeof fixed};
  if (!own_address(fixed, attributes, &wanted.address)) return;
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
    const struct expected_address *found = &addresses[first];
    states->list[found->link].present |= UINT64_C(1) << found->place;
  }
}

/* Looks for all addresses in one dump of the namespace. 0 or an errno. */
static int look_for_addresses(int descriptor, struct link_states *states, struct buffer *explanation) {
  struct buffer message = {0};
  int error = is_complete(states) ? 0 : EAGAIN;
  for (int attempt = 0; error == EAGAIN && attempt < NETLINK_DUMP_ATTEMPTS; attempt++) {
    struct ifaddrmsg fixed = {.ifa_family = AF_UNSPEC};
    rtnetlink_begin(&message, RTM_GETADDR, NLM_F_DUMP, &fixed, sizeof fixed);
    error = rtnetlink_ask(descriptor, &message, link_states_take_address, states, explanation);
    /* Addresses that a dump has shown exist, even if the dump was inconsistent. */
    if (error == EAGAIN && is_complete(states)) error = 0;
  }
  buffer_free(&message);
  return error;
}

static int look_at_links(struct netlink_call *call, void *context) {
  struct link_states *states = context;
  call->doing = "looking for the interfaces";
  for (size_t i = 0; i < states->count; i++) {
    call->explanation.length = 0;
    int error = link_find(call->descriptor, states->list[i].if_name, &states->list[i].link, &call->explanation);
    if (error != 0 && error != ENODEV) return error;
  }
  struct expected_address *addresses = addresses_of(states);
  for (size_t i = 0; i < address_count(states); i++) addresses[i].if_index = states->list[addresses[i].link].link.index;
  call->doing = "looking for the addresses";
  call->explanation.length = 0;
  link_states_sort(states);
  return look_for_addresses(call->descriptor, states, &call->explanation);
}

void link_states_free(struct link_states *states) {
  free(states->list);
  buffer_free(&states->addresses);
  *states = (struct link_states){0};
}

enum netlink_outcome link_states_look(struct link_states *states, struct buffer *problem) {
  return netlink_call(states->netns, "interfaces", (struct bytes){0}, look_at_links, states, problem);
}
