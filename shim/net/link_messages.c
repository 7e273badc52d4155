/* Messages that make links, set them up, and tell what they are like. */
#include "net/link_messages.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

static uint32_t read_u32(struct bytes content) {
  uint32_t number = 0;
  if (content.length >= sizeof number) memcpy(&number, content.data, sizeof number);
  return number;
}

/* Copies a text that fits, else none. */
static void read_text(struct bytes content, char *text, size_t size) {
  size_t length = content.length == 0 ? 0 : strnlen((const char *)content.data, content.length);
  if (length < size) memcpy(text, content.data, length);
}

bool link_details_take(const struct nlmsghdr *header, struct bytes payload, struct link_details *link) {
  struct ifinfomsg fixed;
  struct bytes content, kind;
  uint16_t type;
  if ((header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK) || payload.length < sizeof fixed) return false;
  memcpy(&fixed, payload.data, sizeof fixed);
  /* A bridge tells of its ports in messages of its own. */
  if (fixed.ifi_family != AF_UNSPEC) return false;
  *link = (struct link_details){.index = (uint32_t)fixed.ifi_index, .flags = fixed.ifi_flags};
  bytes_skip(&payload, sizeof fixed);
  while (rtnetlink_take_attribute(&payload, &type, &content)) {
    if (type == IFLA_MTU) link->mtu = read_u32(content);
    if (type == IFLA_TXQLEN) link->queue_length = read_u32(content);
    if (type == IFLA_PROMISCUITY) link->promiscuity = read_u32(content);
    if (type == IFLA_GROUP) link->group = read_u32(content);
    if (type == IFLA_OPERSTATE && content.length > 0) link->operational_state = content.data[0];
    if (type == IFLA_IFNAME) read_text(content, link->name, sizeof link->name);
    if (type == IFLA_LINKINFO && rtnetlink_find_attribute(content, IFLA_INFO_KIND, &kind)) read_text(kind, link->kind, sizeof link->kind);
    if (type != IFLA_ADDRESS || content.length != sizeof link->mac) continue;
    link->has_mac = true;
    memcpy(link->mac, content.data, sizeof link->mac);
  }
  return true;
}

static void take_one(const struct nlmsghdr *header, struct bytes payload, void *context) { (void)link_details_take(header, payload, context); }

/* Sends the message, and frees it. */
static int ask(struct rtnetlink *rtnetlink, struct buffer *message) {
  int error = rtnetlink_ask(rtnetlink, message, NULL, NULL);
  buffer_free(message);
  return error;
}

static void put_text(struct buffer *message, uint16_t type, const char *text) { rtnetlink_attribute(message, type, text, strlen(text) + 1); }

static void put_u32(struct buffer *message, uint16_t type, uint32_t number) { rtnetlink_attribute(message, type, &number, sizeof number); }

static void put_address(struct buffer *message, uint16_t type, const struct ip_address *address) {
  rtnetlink_attribute(message, type, address->bytes, address->length);
}

static void begin_link(struct buffer *message, uint16_t type, uint16_t flags, uint32_t index, uint32_t change_flags, uint32_t changed) {
  struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = change_flags, .ifi_change = changed};
  rtnetlink_begin(message, type, flags, &fixed, sizeof fixed);
}

int link_details_find(struct rtnetlink *rtnetlink, const char *name, struct link_details *link) {
  struct buffer message = {0};
  *link = (struct link_details){0};
  begin_link(&message, RTM_GETLINK, 0, 0, 0, 0);
  put_text(&message, IFLA_IFNAME, name);
  int error = rtnetlink_ask(rtnetlink, &message, take_one, link);
  buffer_free(&message);
  return error == 0 && link->index == 0 ? ENODEV : error;
}

/* Starts a new link. Returns what rtnetlink_nest_end() needs for the data of its kind; the outer one is `*info`. */
static size_t begin_new(struct buffer *message, const struct new_link *link, const char *kind, size_t *info) {
  begin_link(message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0, 0);
  put_text(message, IFLA_IFNAME, link->name);
  if (link->mtu != 0) put_u32(message, IFLA_MTU, link->mtu);
  if (link->mac.length > 0) rtnetlink_attribute(message, IFLA_ADDRESS, link->mac.data, link->mac.length);
  *info = rtnetlink_nest(message, IFLA_LINKINFO);
  rtnetlink_attribute(message, IFLA_INFO_KIND, kind, strlen(kind));
  return rtnetlink_nest(message, IFLA_INFO_DATA);
}

int link_make_veth(struct rtnetlink *inside, const struct new_link *link, const char *host_name, int host_netns) {
  struct buffer message = {0};
  struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
  size_t info;
  size_t data = begin_new(&message, link, "veth", &info);
  size_t peer = rtnetlink_nest(&message, VETH_INFO_PEER);
  buffer_append(&message, &fixed, sizeof fixed);
  put_text(&message, IFLA_IFNAME, host_name);
  /* As the plugin's library has it. */
  put_u32(&message, IFLA_TXQLEN, 0);
  if (link->mtu != 0) put_u32(&message, IFLA_MTU, link->mtu);
  rtnetlink_attribute(&message, IFLA_NET_NS_FD, &host_netns, sizeof host_netns);
  rtnetlink_nest_end(&message, peer);
  rtnetlink_nest_end(&message, data);
  rtnetlink_nest_end(&message, info);
  return ask(inside, &message);
}

int link_make_macvlan(struct rtnetlink *host, const struct new_link *link, uint32_t parent, uint32_t mode, uint32_t queue_length, int netns) {
  struct buffer message = {0};
  size_t info;
  size_t data = begin_new(&message, link, "macvlan", &info);
  put_u32(&message, IFLA_MACVLAN_MODE, mode);
  if (queue_length != 0) put_u32(&message, IFLA_MACVLAN_BC_QUEUE_LEN, queue_length);
  rtnetlink_nest_end(&message, data);
  rtnetlink_nest_end(&message, info);
  put_u32(&message, IFLA_LINK, parent);
  rtnetlink_attribute(&message, IFLA_NET_NS_FD, &netns, sizeof netns);
  return ask(host, &message);
}

int link_change(struct rtnetlink *rtnetlink, uint32_t index, const struct link_change *change) {
  struct buffer message = {0};
  begin_link(&message, RTM_SETLINK, 0, index, change->flags, change->changed_flags);
  if (change->name != NULL) put_text(&message, IFLA_IFNAME, change->name);
  if (change->mac.length > 0) rtnetlink_attribute(&message, IFLA_ADDRESS, change->mac.data, change->mac.length);
  if (change->mtu != 0) put_u32(&message, IFLA_MTU, change->mtu);
  if (change->group != 0) put_u32(&message, IFLA_GROUP, change->group);
  if (change->master != 0) put_u32(&message, IFLA_MASTER, change->master);
  if (change->has_queue_length) put_u32(&message, IFLA_TXQLEN, change->queue_length);
  return ask(rtnetlink, &message);
}

int link_set_port_modes(struct rtnetlink *rtnetlink, uint32_t index, bool hairpin, bool isolated) {
  struct buffer message = {0};
  struct ifinfomsg fixed = {.ifi_family = AF_BRIDGE, .ifi_index = (int)index};
  uint8_t on = 1;
  rtnetlink_begin(&message, RTM_SETLINK, 0, &fixed, sizeof fixed);
  size_t info = rtnetlink_nest(&message, IFLA_PROTINFO | NLA_F_NESTED);
  if (hairpin) rtnetlink_attribute(&message, IFLA_BRPORT_MODE, &on, sizeof on);
  if (isolated) rtnetlink_attribute(&message, IFLA_BRPORT_ISOLATED, &on, sizeof on);
  rtnetlink_nest_end(&message, info);
  return ask(rtnetlink, &message);
}

/* The address with all bits behind the prefix 0, or 1. */
static struct ip_address with_rest(struct ip_address address, uint8_t prefix, bool is_one) {
  for (unsigned bit = prefix; bit < address.length * 8U; bit++) {
    uint8_t mask = (uint8_t)(0x80U >> bit % 8);
    address.bytes[bit / 8] = (uint8_t)(is_one ? address.bytes[bit / 8] | mask : address.bytes[bit / 8] & ~mask);
  }
  return address;
}

struct ip_address ip_network(const struct ip_address *address, uint8_t prefix) { return with_rest(*address, prefix, false); }

int link_add_address(struct rtnetlink *rtnetlink, uint32_t index, const struct ip_address *address, uint8_t prefix) {
  struct buffer message = {0};
  struct ifaddrmsg fixed = {.ifa_family = address->family, .ifa_prefixlen = prefix, .ifa_index = index};
  rtnetlink_begin(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof fixed);
  put_address(&message, IFA_LOCAL, address);
  put_address(&message, IFA_ADDRESS, address);
  struct ip_address broadcast = with_rest(*address, prefix, true);
  /* As RFC 3021 has it, none for prefixes of 31 and 32 bits. */
  if (broadcast.family == AF_INET && prefix < 31) put_address(&message, IFA_BROADCAST, &broadcast);
  return ask(rtnetlink, &message);
}

int link_change_route(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags, uint32_t index, const struct link_route *route) {
  struct buffer message = {0};
  struct rtmsg fixed = {
      .rtm_family = route->destination.family,
      .rtm_dst_len = route->prefix,
      .rtm_table = RT_TABLE_MAIN,
      .rtm_scope = route->scope,
      .rtm_flags = route->flags,
  };
  if (type == RTM_NEWROUTE) {
    fixed.rtm_protocol = RTPROT_BOOT;
    fixed.rtm_type = RTN_UNICAST;
  }
  rtnetlink_begin(&message, type, flags, &fixed, sizeof fixed);
  if (route->destination.length > 0) put_address(&message, RTA_DST, &route->destination);
  if (route->source.length > 0) put_address(&message, RTA_PREFSRC, &route->source);
  if (route->gateway.length > 0) put_address(&message, RTA_GATEWAY, &route->gateway);
  if (route->metric != 0) put_u32(&message, RTA_PRIORITY, route->metric);
  put_u32(&message, RTA_OIF, index);
  return ask(rtnetlink, &message);
}

int link_delete(struct rtnetlink *rtnetlink, uint32_t index, const char *name, uint32_t group) {
  struct buffer message = {0};
  begin_link(&message, RTM_DELLINK, 0, index, 0, 0);
  if (name != NULL) put_text(&message, IFLA_IFNAME, name);
  if (group != 0) put_u32(&message, IFLA_GROUP, group);
  return ask(rtnetlink, &message);
}
