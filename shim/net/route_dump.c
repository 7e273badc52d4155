/* Finds the default routes of one interface in a dump of routes. It uses no socket, only bytes. */
#include "net/route_dump.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/rtnetlink.h"

/* A route as the kernel describes it. */
struct route {
  struct rtmsg fixed;
  struct bytes attributes;
};

static uint32_t read_u32(struct bytes content) {
  uint32_t number = 0;
  if (content.length >= sizeof number) memcpy(&number, content.data, sizeof number);
  return number;
}

/* Does one of the next hops of an RTA_MULTIPATH leave through the interface? */
static bool has_hop(struct bytes hops, uint32_t if_index) {
  struct rtnexthop hop;
  while (hops.length >= sizeof hop) {
    memcpy(&hop, hops.data, sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > hops.length) return false;
    if ((uint32_t)hop.rtnh_ifindex == if_index) return true;
    size_t taken = NLMSG_ALIGN((size_t)hop.rtnh_len);
    if (taken > hops.length) return false;
    hops.data += taken;
    hops.length -= taken;
  }
  return false;
}

/* Is this a default route of the main table through the interface? */
static bool is_ours(const struct route *route, const struct route_dump *dump) {
  if (route->fixed.rtm_family != dump->family || route->fixed.rtm_dst_len != 0 ||
      route->fixed.rtm_type != RTN_UNICAST || (route->fixed.rtm_flags & RTM_F_CLONED) != 0) {
    return false;
  }
  uint32_t table = route->fixed.rtm_table;
  bool ours = false;
  struct bytes attributes = route->attributes, content;
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (type == RTA_TABLE) table = read_u32(content);
    if (type == RTA_OIF && read_u32(content) == dump->if_index) ours = true;
    if (type == RTA_MULTIPATH && has_hop(content, dump->if_index)) ours = true;
  }
  return ours && table == RT_TABLE_MAIN;
}

/* Does the attribute distinguish this route from other default routes? */
static bool identifies(uint16_t type, bool has_nexthop_object) {
  switch (type) {
    case RTA_TABLE:
    case RTA_SRC:
    case RTA_PRIORITY:
    case RTA_PREFSRC:
    case RTA_NH_ID:
      return true;
    case RTA_OIF:
    case RTA_GATEWAY:
    case RTA_VIA:
    case RTA_MULTIPATH:
      /* The kernel accepts either the nexthop object or its contents. */
      return !has_nexthop_object;
    default:
      return false;
  }
}

/* Appends a deletion of exactly the route that the kernel described, so that it matches no other default route. */
static void append_deletion(struct buffer *deletions, const struct route *route) {
  struct rtmsg fixed = route->fixed;
  /* The kernel does not accept these states of the next hop in a request. */
  fixed.rtm_flags &= ~(unsigned)(RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_OFFLOAD | RTNH_F_TRAP | RTM_F_OFFLOAD | RTM_F_TRAP);
  bool has_nexthop_object = false;
  struct bytes attributes = route->attributes, content;
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (type == RTA_NH_ID) has_nexthop_object = true;
  }
  struct buffer message = {0};
  rtnetlink_begin(&message, RTM_DELROUTE, 0, &fixed, sizeof fixed);
  attributes = route->attributes;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (identifies(type, has_nexthop_object)) rtnetlink_attribute(&message, type, content.data, content.length);
  }
  struct nlmsghdr header;
  memcpy(&header, message.data, sizeof header);
  header.nlmsg_len = (uint32_t)message.length;
  memcpy(message.data, &header, sizeof header);
  buffer_append(deletions, message.data, message.length);
  buffer_free(&message);
}

static bool leads_to(const struct route *route, const struct ip_address *gateway) {
  struct bytes attributes = route->attributes, content;
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (type == RTA_GATEWAY && ip_address_is(gateway, route->fixed.rtm_family, content)) return true;
  }
  return false;
}

void route_dump_take(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct route_dump *dump = context;
  struct route route;
  if (header->nlmsg_type != RTM_NEWROUTE || payload.length < sizeof route.fixed) return;
  memcpy(&route.fixed, payload.data, sizeof route.fixed);
  route.attributes = (struct bytes){payload.data + sizeof route.fixed, payload.length - sizeof route.fixed};
  if (!is_ours(&route, dump)) return;
  if (dump->wanted != NULL && leads_to(&route, dump->wanted)) dump->has_wanted = true;
  append_deletion(&dump->deletions, &route);
}
