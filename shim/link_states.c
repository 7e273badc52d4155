/* LINK_STATES: whether links exist, their hardware addresses, and whether they have the expected addresses. */
#define _GNU_SOURCE
#include "link_states.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rtnetlink.h"

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

void link_states_sort(struct link_states *states) {
  qsort(states->addresses, states->address_count, sizeof states->addresses[0], compare);
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
  size_t first = 0, end = states->address_count;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    if (compare(&states->addresses[middle], &wanted) < 0) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  for (; first < states->address_count && compare(&states->addresses[first], &wanted) == 0; first++) {
    const struct expected_address *found = &states->addresses[first];
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

/* Notes the addresses that a link should have. */
static void expect_addresses(struct link_states *states, size_t link, struct bytes addresses) {
  struct seen_link *seen = &states->list[link];
  struct msgpack_value text;
  while (addresses.length > 0 && msgpack_take(&addresses, &text)) {
    struct expected_address *next = &states->addresses[states->address_count++];
    *next = (struct expected_address){.if_index = seen->link.index, .link = (uint16_t)link, .place = (uint8_t)seen->address_count++};
    /* order_read_link_states() has checked that it is an address. */
    (void)ip_address_read(text.content, &next->address);
  }
}

/* A LINK_STATES, and the states that it answers. */
struct look {
  const struct order_link_states *order;
  struct link_states *states;
};

static int look_at_links(struct netlink_call *call, void *context) {
  const struct look *look = context;
  struct link_states *states = look->states;
  struct bytes rest = look->order->links.content;
  struct order_expected_link expected;
  int error = 0;
  call->doing = "looking for the interfaces";
  while (error == 0 && states->count < look->order->count && order_take_expected_link(&rest, &expected)) {
    call->explanation.length = 0;
    size_t link = states->count++;
    states->list[link] = (struct seen_link){0};
    error = link_find(call->descriptor, expected.if_name, &states->list[link].link, &call->explanation);
    if (error == 0) expect_addresses(states, link, expected.addresses);
    if (error == ENODEV) error = 0;
  }
  if (error != 0) return error;
  call->doing = "looking for the addresses";
  call->explanation.length = 0;
  link_states_sort(states);
  return look_for_addresses(call->descriptor, states, &call->explanation);
}

void link_states_free(struct link_states *states) {
  free(states->list);
  free(states->addresses);
  *states = (struct link_states){0};
}

enum netlink_outcome link_states_look(const struct order_link_states *order, struct link_states *states, struct buffer *problem) {
  *states = (struct link_states){
      .list = memory_take(order->count * sizeof states->list[0]),
      .addresses = memory_take(order->address_count * sizeof states->addresses[0]),
  };
  struct look look = {order, states};
  enum netlink_outcome outcome = netlink_call(order->netns, "interfaces", (struct bytes){0}, look_at_links, &look, problem);
  if (outcome != NETLINK_DONE) link_states_free(states);
  return outcome;
}
