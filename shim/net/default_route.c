/* Replaces the default routes of one interface. */
#include "net/default_route.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/link_messages.h"

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
    bytes_skip(&hops, NLMSG_ALIGN((size_t)hop.rtnh_len));
  }
  return false;
}

/* Is this a default route of the main table through the interface? */
static bool is_ours(const struct rtmsg *fixed, struct bytes attributes, const struct route_dump *dump) {
  struct bytes content;
  if (fixed->rtm_family != dump->family || fixed->rtm_dst_len != 0 || fixed->rtm_type != RTN_UNICAST ||
      (fixed->rtm_flags & RTM_F_CLONED) != 0) {
    return false;
  }
  uint32_t table = rtnetlink_find_attribute(attributes, RTA_TABLE, &content) ? read_u32(content) : fixed->rtm_table;
  if (table != RT_TABLE_MAIN) return false;
  return (rtnetlink_find_attribute(attributes, RTA_OIF, &content) && read_u32(content) == dump->if_index) ||
         (rtnetlink_find_attribute(attributes, RTA_MULTIPATH, &content) && has_hop(content, dump->if_index));
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
static void append_deletion(struct buffer *deletions, struct rtmsg fixed, struct bytes attributes) {
  struct buffer message = {0};
  struct bytes content;
  uint16_t type;
  /* The kernel does not accept these states of the next hop in a request. */
  fixed.rtm_flags &= ~(unsigned)(RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_OFFLOAD | RTNH_F_TRAP | RTM_F_OFFLOAD | RTM_F_TRAP);
  bool has_nexthop_object = rtnetlink_find_attribute(attributes, RTA_NH_ID, &content);
  rtnetlink_begin(&message, RTM_DELROUTE, 0, &fixed, sizeof fixed);
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (identifies(type, has_nexthop_object)) rtnetlink_attribute(&message, type, content.data, content.length);
  }
  rtnetlink_end(&message, 0);
  buffer_append(deletions, message.data, message.length);
  buffer_free(&message);
}

void route_dump_take(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct route_dump *dump = context;
  struct rtmsg fixed;
  struct bytes content;
  struct ip_address gateway;
  if (header->nlmsg_type != RTM_NEWROUTE || payload.length < sizeof fixed) return;
  memcpy(&fixed, payload.data, sizeof fixed);
  bytes_skip(&payload, sizeof fixed);
  if (!is_ours(&fixed, payload, dump)) return;
  if (dump->wanted != NULL && rtnetlink_find_attribute(payload, RTA_GATEWAY, &content) &&
      ip_address_take(fixed.rtm_family, content, &gateway) && memcmp(&gateway, dump->wanted, sizeof gateway) == 0) {
    dump->has_wanted = true;
  }
  append_deletion(&dump->deletions, fixed, payload);
}

/* Collects the default routes of one family through the interface. 0 or an errno. */
static int dump_routes(struct rtnetlink *rtnetlink, struct route_dump *dump) {
  struct rtmsg fixed = {.rtm_family = dump->family};
  int error = rtnetlink_dump(rtnetlink, RTM_GETROUTE, &fixed, sizeof fixed, &dump->deletions, route_dump_take, dump);
  /* A kernel without this family has no such routes. */
  return error == EAFNOSUPPORT || error == EOPNOTSUPP ? 0 : error;
}

static int clear_family(struct rtnetlink *rtnetlink, uint8_t family, uint32_t if_index) {
  struct route_dump dump = {.if_index = if_index, .family = family};
  int error = dump_routes(rtnetlink, &dump);
  struct buffer message = {0};
  struct nlmsghdr header;
  for (size_t at = 0; error == 0 && at < dump.deletions.length; at += header.nlmsg_len) {
    memcpy(&header, dump.deletions.data + at, sizeof header);
    message.length = 0;
    buffer_append(&message, dump.deletions.data + at, header.nlmsg_len);
    error = rtnetlink_ask(rtnetlink, &message, NULL, NULL);
    /* Another process has removed it meanwhile. */
    if (error == ESRCH) error = 0;
  }
  buffer_free(&message);
  buffer_free(&dump.deletions);
  return error;
}

static int add_route(struct rtnetlink *rtnetlink, const struct ip_address *gateway, uint32_t if_index, uint32_t flags) {
  struct link_route route = {.destination = {.family = gateway->family}, .gateway = *gateway, .flags = flags};
  return link_change_route(rtnetlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, if_index, &route);
}

static int add_gateway(struct rtnetlink *rtnetlink, const struct ip_address *gateway, uint32_t if_index) {
  int error = add_route(rtnetlink, gateway, if_index, 0);
  /* For a gateway outside every prefix of the interface: RTNH_F_ONLINK tells the kernel that it is on the link. */
  if (error == ENETUNREACH || error == EHOSTUNREACH || error == EINVAL) error = add_route(rtnetlink, gateway, if_index, RTNH_F_ONLINK);
  if (error != EEXIST) return error;
  /* Is this route there already, or is it another interface's or gateway's with the same metric? */
  struct route_dump dump = {.if_index = if_index, .family = gateway->family, .wanted = gateway};
  int dump_error = dump_routes(rtnetlink, &dump);
  buffer_free(&dump.deletions);
  if (dump_error != 0) return dump_error;
  return dump.has_wanted ? 0 : EEXIST;
}

/* A DEFAULT_ROUTE with its gateways read. */
struct routes {
  const struct default_route *order;
  struct ip_address gateways[DEFAULT_ROUTE_MAX_GATEWAYS];
};

static int change_routes(struct rtnetlink *rtnetlink, void *context) {
  const struct routes *routes = context;
  const struct default_route *order = routes->order;
  struct found_link link;
  rtnetlink->doing = "looking for the interface";
  int error = link_find(rtnetlink, order->if_name, &link);
  if (error != 0) return error;
  rtnetlink->doing = "removing its IPv4 default routes";
  if (order->clear_ipv4) error = clear_family(rtnetlink, AF_INET, link.index);
  if (error != 0) return error;
  rtnetlink->doing = "removing its IPv6 default routes";
  if (order->clear_ipv6) error = clear_family(rtnetlink, AF_INET6, link.index);
  if (error != 0) return error;
  rtnetlink->doing = "adding a default route";
  for (size_t i = 0; error == 0 && i < order->gateway_count; i++) error = add_gateway(rtnetlink, &routes->gateways[i], link.index);
  return error;
}

const char *default_route_set(const struct default_route *order, struct buffer *problem) {
  struct routes routes = {.order = order};
  for (size_t i = 0; i < order->gateway_count; i++) {
    if (ip_address_read(order->gateways[i], &routes.gateways[i])) continue;
    buffer_print(problem, "gateway \"%.*s\" is not an address", BYTES_TEXT(order->gateways[i]));
    return "failed";
  }
  return rtnetlink_do(order->netns, "default routes of ", order->if_name, change_routes, &routes, problem);
}
