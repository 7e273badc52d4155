/* Target: the kernel's answers (shim/net/rtnetlink.c, default_route.c, links.c): a datagram as dump of IPv4 and IPv6 routes, as description of
 * a link, and as dump of addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/default_route.h"
#include "net/link_messages.h"
#include "target.h"

enum { IF_INDEX = 7 };

/* Sets the length of the message that begins at `begin`. */
static void end_message(struct buffer *out, const struct buffer *message) {
  struct nlmsghdr header;
  memcpy(&header, message->data, sizeof header);
  header.nlmsg_len = (uint32_t)message->length;
  buffer_append(out, &header, sizeof header);
  buffer_append(out, message->data + sizeof header, message->length - sizeof header);
}

static void seed_route(struct buffer *out, uint8_t family, uint64_t which) {
  struct buffer message = {0}, hops = {0};
  uint32_t if_index = IF_INDEX, table = RT_TABLE_MAIN, metric = 1024;
  uint8_t gateway[16] = {10, 0, 0, 1};
  uint16_t gateway_bytes = family == AF_INET ? 4 : 16;
  struct rtmsg fixed = {.rtm_family = family, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
  rtnetlink_begin(&message, RTM_NEWROUTE, NLM_F_MULTI, &fixed, sizeof fixed);
  rtnetlink_attribute(&message, RTA_TABLE, &table, sizeof table);
  rtnetlink_attribute(&message, RTA_PRIORITY, &metric, sizeof metric);
  if (which % 3 == 0) {
    rtnetlink_attribute(&message, RTA_GATEWAY, gateway, gateway_bytes);
    rtnetlink_attribute(&message, RTA_OIF, &if_index, sizeof if_index);
  } else if (which % 3 == 1) {
    struct rtnexthop hop = {.rtnh_len = sizeof hop, .rtnh_ifindex = IF_INDEX + 1};
    buffer_append(&hops, &hop, sizeof hop);
    hop.rtnh_ifindex = IF_INDEX;
    buffer_append(&hops, &hop, sizeof hop);
    rtnetlink_attribute(&message, RTA_MULTIPATH, hops.data, hops.length);
  } else {
    rtnetlink_attribute(&message, RTA_NH_ID, &metric, sizeof metric);
    rtnetlink_attribute(&message, RTA_OIF, &if_index, sizeof if_index);
  }
  end_message(out, &message);
  buffer_free(&message);
  buffer_free(&hops);
}

static void seed_end(struct buffer *out, bool is_error) {
  struct buffer message = {0};
  struct nlmsgerr error = {.error = -ENETUNREACH, .msg = {.nlmsg_len = sizeof(struct nlmsghdr)}};
  int32_t status = 0;
  static const char words[] = "Nexthop has invalid gateway";
  if (is_error) {
    rtnetlink_begin(&message, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &error, sizeof error);
    rtnetlink_attribute(&message, NLMSGERR_ATTR_MSG, words, sizeof words);
  } else {
    rtnetlink_begin(&message, NLMSG_DONE, NLM_F_MULTI, &status, sizeof status);
  }
  end_message(out, &message);
  buffer_free(&message);
}

static void seed_link(struct buffer *out) {
  struct buffer message = {0};
  struct ifinfomsg fixed = {.ifi_index = IF_INDEX};
  rtnetlink_begin(&message, RTM_NEWLINK, 0, &fixed, sizeof fixed);
  rtnetlink_attribute(&message, IFLA_IFNAME, "eth0", 5);
  rtnetlink_attribute(&message, IFLA_ADDRESS, "\2\0\0\0\0\1", 6);
  end_message(out, &message);
  buffer_free(&message);
}

static void seed_address(struct buffer *out, uint8_t family, uint64_t which) {
  static const uint8_t address[16] = {10, 0, 0, 1}, other[16] = {10, 0, 0, 2};
  uint16_t bytes = family == AF_INET ? 4 : 16;
  struct buffer message = {0};
  struct ifaddrmsg fixed = {.ifa_family = family, .ifa_prefixlen = 24, .ifa_index = IF_INDEX};
  rtnetlink_begin(&message, RTM_NEWADDR, NLM_F_MULTI, &fixed, sizeof fixed);
  rtnetlink_attribute(&message, IFA_ADDRESS, which % 2 == 0 ? address : other, bytes);
  if (which % 2 == 1) rtnetlink_attribute(&message, IFA_LOCAL, address, bytes);
  end_message(out, &message);
  buffer_free(&message);
}

static void seed(struct buffer *out, uint64_t which) {
  if (which % 7 == 6) seed_address(out, which / 5 % 2 == 0 ? AF_INET : AF_INET6, which / 10);
  if (which % 5 == 4) seed_link(out);
  for (uint64_t i = 0; i < which % 5; i++) seed_route(out, which / 5 % 2 == 0 ? AF_INET : AF_INET6, which / 10 + i);
  if (which / 10 % 3 > 0) seed_end(out, which / 10 % 3 == 1);
}

/* Lengths of messages that reach beyond the end, or lie within their own header, become those that are left. */
static void fit(struct buffer *input) {
  struct nlmsghdr header;
  for (size_t at = 0; input->length - at >= sizeof header;) {
    memcpy(&header, input->data + at, sizeof header);
    size_t left = input->length - at;
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > left) header.nlmsg_len = (uint32_t)left;
    memcpy(input->data + at, &header, sizeof header);
    at += NLMSG_ALIGN((size_t)header.nlmsg_len);
    if (at > input->length) return;
  }
}

/* Every message takes out a default route of the family that was asked for. */
static void check_deletions(const struct route_dump *dump) {
  struct bytes rest = {dump->deletions.data, dump->deletions.length};
  while (rest.length > 0) {
    struct nlmsghdr header;
    struct rtmsg fixed;
    MUST(rest.length >= sizeof header + sizeof fixed);
    memcpy(&header, rest.data, sizeof header);
    memcpy(&fixed, rest.data + sizeof header, sizeof fixed);
    MUST(header.nlmsg_len >= sizeof header + sizeof fixed && header.nlmsg_len <= rest.length);
    MUST(header.nlmsg_type == RTM_DELROUTE && header.nlmsg_flags == NLM_F_REQUEST);
    MUST(fixed.rtm_family == dump->family && fixed.rtm_dst_len == 0 && fixed.rtm_type == RTN_UNICAST);
    struct bytes attributes = {rest.data + sizeof header + sizeof fixed, header.nlmsg_len - sizeof header - sizeof fixed}, content;
    uint16_t type;
    while (rtnetlink_take_attribute(&attributes, &type, &content)) touch(content);
    MUST(attributes.length == 0);
    rest.data += header.nlmsg_len;
    rest.length -= header.nlmsg_len;
  }
}

static void take(struct bytes datagram, rtnetlink_receive *receive, void *context) {
  struct buffer explanation = {0};
  struct rtnetlink_answer answer = {0};
  bool is_complete = rtnetlink_take_datagram(datagram, receive, context, &explanation, &answer);
  MUST(answer.error >= 0 && (is_complete || answer.error == 0));
  /* It goes into a message by buffer_text(). */
  MUST(explanation.length <= datagram.length && (explanation.length == 0 || memchr(explanation.data, 0, explanation.length) == NULL));
  buffer_free(&explanation);
}

static void take_details(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct link_details *link = context;
  if (!link_details_take(header, payload, link)) return;
  MUST(memchr(link->name, 0, sizeof link->name) != NULL && memchr(link->kind, 0, sizeof link->kind) != NULL);
}

static void check(struct bytes datagram) {
  static const struct ip_address gateways[] = {{.family = AF_INET, .length = 4, .bytes = {10, 0, 0, 1}},
                                               {.family = AF_INET6, .length = 16, .bytes = {10, 0, 0, 1}}};
  for (size_t i = 0; i < 2; i++) {
    struct route_dump dump = {.if_index = IF_INDEX, .family = gateways[i].family, .wanted = &gateways[i]};
    take(datagram, route_dump_take, &dump);
    /* A last attribute may come without its padding, and goes out with it. */
    MUST(dump.deletions.length <= NLMSG_ALIGN(datagram.length));
    MUST(!dump.has_wanted || dump.deletions.length > 0);
    check_deletions(&dump);
    buffer_free(&dump.deletions);
  }
  struct found_link link = {0};
  take(datagram, link_find_take, &link);
  MUST(link.address_length <= sizeof link.address);
  struct seen_link list[2] = {{.address_count = 2}, {.address_count = 1}};
  struct expected_address addresses[] = {{.if_index = IF_INDEX, .address = gateways[0], .link = 0, .place = 1},
                                         {.if_index = IF_INDEX, .address = gateways[1], .link = 1, .place = 0},
                                         {.if_index = IF_INDEX + 1, .address = gateways[1], .link = 0, .place = 0}};
  struct link_states states = {.count = 2, .list = list};
  buffer_append(&states.addresses, addresses, sizeof addresses);
  link_states_sort(&states);
  take(datagram, link_states_take_address, &states);
  buffer_free(&states.addresses);
  /* No bit but those of its addresses. */
  MUST(list[0].present < 4 && list[1].present < 2);
  struct link_details details = {0};
  take(datagram, take_details, &details);
  take(datagram, NULL, NULL);
}

const struct target target_netlink = {.name = "netlink", .seed = seed, .fit = fit, .check = check};
