/* The default routes of one interface: the old ones away, the new ones in. */
#define _GNU_SOURCE
#include "default_route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "rtnetlink.h"

enum {
  /* How often a dump that changed under us is asked for again. */
  DUMP_ATTEMPTS = 10,
};

struct gateway {
  uint8_t family;
  uint8_t length;
  uint8_t address[sizeof(struct in6_addr)];
};

/* A default route through the interface, as the kernel describes it. */
struct route {
  struct rtmsg fixed;
  struct bytes attributes;
};

/* What a dump collects. */
struct collection {
  uint32_t if_index;
  uint8_t family;
  /* One RTM_DELROUTE after the other, each with its whole length in its header. */
  struct buffer deletions;
  /* Is a route to this gateway among them? */
  const struct gateway *wanted;
  bool has_wanted;
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
static bool is_ours(const struct route *route, const struct collection *collection) {
  if (route->fixed.rtm_family != collection->family || route->fixed.rtm_dst_len != 0 ||
      route->fixed.rtm_type != RTN_UNICAST || (route->fixed.rtm_flags & RTM_F_CLONED) != 0) {
    return false;
  }
  uint32_t table = route->fixed.rtm_table;
  bool ours = false;
  struct bytes attributes = route->attributes, content;
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (type == RTA_TABLE) table = read_u32(content);
    if (type == RTA_OIF && read_u32(content) == collection->if_index) ours = true;
    if (type == RTA_MULTIPATH && has_hop(content, collection->if_index)) ours = true;
  }
  return ours && table == RT_TABLE_MAIN;
}

/* Does the attribute help to tell this route from others that are default routes too? */
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
      /* The kernel takes either the object or what is in it. */
      return !has_nexthop_object;
    default:
      return false;
  }
}

/* Takes the route out exactly as the kernel described it, so that no other default route can be meant. */
static void append_deletion(struct buffer *deletions, const struct route *route) {
  struct rtmsg fixed = route->fixed;
  /* States of the next hop, which are not accepted from outside. */
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

static bool leads_to(const struct route *route, const struct gateway *gateway) {
  struct bytes attributes = route->attributes, content;
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (type == RTA_GATEWAY && content.length == gateway->length &&
        memcmp(content.data, gateway->address, gateway->length) == 0) {
      return true;
    }
  }
  return false;
}

static void collect(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct collection *collection = context;
  struct route route;
  if (header->nlmsg_type != RTM_NEWROUTE || payload.length < sizeof route.fixed) return;
  memcpy(&route.fixed, payload.data, sizeof route.fixed);
  route.attributes = (struct bytes){payload.data + sizeof route.fixed, payload.length - sizeof route.fixed};
  if (!is_ours(&route, collection)) return;
  if (collection->wanted != NULL && leads_to(&route, collection->wanted)) collection->has_wanted = true;
  append_deletion(&collection->deletions, &route);
}

/* Collects the default routes of one family through the interface. 0 or an errno. */
static int dump_routes(int descriptor, struct collection *collection, struct buffer *explanation) {
  struct buffer message = {0};
  int error = EAGAIN;
  for (int attempt = 0; error == EAGAIN && attempt < DUMP_ATTEMPTS; attempt++) {
    struct rtmsg fixed = {.rtm_family = collection->family};
    collection->deletions.length = 0;
    collection->has_wanted = false;
    rtnetlink_begin(&message, RTM_GETROUTE, NLM_F_DUMP, &fixed, sizeof fixed);
    error = rtnetlink_ask(descriptor, &message, collect, collection, explanation);
  }
  buffer_free(&message);
  /* A kernel without this family has no such routes. */
  return error == EAFNOSUPPORT || error == EOPNOTSUPP ? 0 : error;
}

static int clear_family(int descriptor, uint8_t family, uint32_t if_index, struct buffer *explanation) {
  struct collection collection = {.if_index = if_index, .family = family};
  int error = dump_routes(descriptor, &collection, explanation);
  struct buffer message = {0};
  struct nlmsghdr header;
  for (size_t at = 0; error == 0 && at < collection.deletions.length; at += header.nlmsg_len) {
    memcpy(&header, collection.deletions.data + at, sizeof header);
    message.length = 0;
    buffer_append(&message, collection.deletions.data + at, header.nlmsg_len);
    error = rtnetlink_ask(descriptor, &message, NULL, NULL, explanation);
    /* Somebody else was quicker. */
    if (error == ESRCH) error = 0;
  }
  buffer_free(&message);
  buffer_free(&collection.deletions);
  return error;
}

static int add_route(int descriptor, const struct gateway *gateway, uint32_t if_index, unsigned flags, struct buffer *explanation) {
  struct rtmsg fixed = {
      .rtm_family = gateway->family,
      .rtm_table = RT_TABLE_MAIN,
      .rtm_protocol = RTPROT_BOOT,
      .rtm_scope = RT_SCOPE_UNIVERSE,
      .rtm_type = RTN_UNICAST,
      .rtm_flags = flags,
  };
  struct buffer message = {0};
  explanation->length = 0;
  rtnetlink_begin(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof fixed);
  rtnetlink_attribute(&message, RTA_GATEWAY, gateway->address, gateway->length);
  rtnetlink_attribute(&message, RTA_OIF, &if_index, sizeof if_index);
  int error = rtnetlink_ask(descriptor, &message, NULL, NULL, explanation);
  buffer_free(&message);
  return error;
}

static int add_gateway(int descriptor, const struct gateway *gateway, uint32_t if_index, struct buffer *explanation) {
  int error = add_route(descriptor, gateway, if_index, 0, explanation);
  /* A gateway outside every prefix of the interface: the kernel believes us that it is on the link if we say so. */
  if (error == ENETUNREACH || error == EHOSTUNREACH || error == EINVAL) {
    error = add_route(descriptor, gateway, if_index, RTNH_F_ONLINK, explanation);
  }
  if (error != EEXIST) return error;
  /* Ours already, or one through another interface or gateway with the same metric? */
  struct collection collection = {.if_index = if_index, .family = gateway->family, .wanted = gateway};
  int dump_error = dump_routes(descriptor, &collection, explanation);
  buffer_free(&collection.deletions);
  if (dump_error != 0) return dump_error;
  return collection.has_wanted ? 0 : EEXIST;
}

static bool read_gateway(struct bytes text, struct gateway *gateway) {
  char *address = bytes_copy_text(text);
  gateway->family = strchr(address, ':') == NULL ? AF_INET : AF_INET6;
  gateway->length = gateway->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
  bool valid = inet_pton(gateway->family, address, gateway->address) == 1;
  free(address);
  return valid;
}

static void receive_link(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct ifinfomsg link;
  if (header->nlmsg_type != RTM_NEWLINK || payload.length < sizeof link) return;
  memcpy(&link, payload.data, sizeof link);
  *(uint32_t *)context = (uint32_t)link.ifi_index;
}

static int find_link(int descriptor, struct bytes if_name, uint32_t *if_index, struct buffer *explanation) {
  struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
  struct buffer message = {0};
  char name[ORDER_MAX_IF_NAME + 1] = {0};
  memcpy(name, if_name.data, if_name.length);
  *if_index = 0;
  rtnetlink_begin(&message, RTM_GETLINK, 0, &fixed, sizeof fixed);
  rtnetlink_attribute(&message, IFLA_IFNAME, name, if_name.length + 1);
  int error = rtnetlink_ask(descriptor, &message, receive_link, if_index, explanation);
  buffer_free(&message);
  return error == 0 && *if_index == 0 ? ENODEV : error;
}

/* Everything that needs the open socket. 0, or an errno with what was being done in `*doing`. */
static int change_routes(int descriptor, const struct order_default_route *order, const struct gateway *gateways,
                         const char **doing, struct buffer *explanation) {
  uint32_t if_index;
  *doing = "preparing a netlink socket";
  int error = rtnetlink_prepare(descriptor);
  if (error != 0) return error;
  *doing = "looking for the interface";
  error = find_link(descriptor, order->link.if_name, &if_index, explanation);
  if (error != 0) return error;
  *doing = "removing its IPv4 default routes";
  if (order->clear_ipv4) error = clear_family(descriptor, AF_INET, if_index, explanation);
  if (error != 0) return error;
  *doing = "removing its IPv6 default routes";
  if (order->clear_ipv6) error = clear_family(descriptor, AF_INET6, if_index, explanation);
  if (error != 0) return error;
  *doing = "adding a default route";
  for (size_t i = 0; error == 0 && i < order->gateway_count; i++) {
    error = add_gateway(descriptor, &gateways[i], if_index, explanation);
  }
  return error;
}

enum default_route_outcome default_route_set(const struct order_default_route *order, struct buffer *problem) {
  struct gateway gateways[ORDER_MAX_GATEWAYS];
  for (size_t i = 0; i < order->gateway_count; i++) {
    if (read_gateway(order->gateways[i], &gateways[i])) continue;
    buffer_say(problem, "gateway \"");
    buffer_append_bytes(problem, order->gateways[i]);
    buffer_say(problem, "\" is not an address");
    return DEFAULT_ROUTE_FAILED;
  }
  int descriptor = netns_socket(order->link.netns, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, problem);
  if (descriptor < 0) return DEFAULT_ROUTE_NO_NETNS;
  struct buffer explanation = {0};
  const char *doing = "";
  int error = change_routes(descriptor, order, gateways, &doing, &explanation);
  if (close(descriptor) != 0 && error == 0) {
    doing = "closing a netlink socket";
    error = errno;
  }
  if (error != 0) {
    buffer_say(problem, "default routes of ");
    buffer_append_bytes(problem, order->link.if_name);
    buffer_say(problem, " in ");
    buffer_append_bytes(problem, order->link.netns);
    buffer_say(problem, ": ", doing, ": ", strerror(error));
    if (explanation.length > 0) buffer_say(problem, " (", buffer_text(&explanation), ")");
  }
  buffer_free(&explanation);
  return error == 0 ? DEFAULT_ROUTE_SET : DEFAULT_ROUTE_FAILED;
}
