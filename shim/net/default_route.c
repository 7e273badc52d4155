/* Replaces the default routes of one interface. */
#include "net/default_route.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/ip_address.h"
#include "net/link_find.h"
#include "net/route_dump.h"
#include "net/rtnetlink.h"

/* Collects the default routes of one family through the interface. 0 or an errno. */
static int dump_routes(int descriptor, struct route_dump *dump, struct buffer *explanation) {
  struct buffer message = {0};
  int error = EAGAIN;
  for (int attempt = 0; error == EAGAIN && attempt < NETLINK_DUMP_ATTEMPTS; attempt++) {
    struct rtmsg fixed = {.rtm_family = dump->family};
    dump->deletions.length = 0;
    dump->has_wanted = false;
    rtnetlink_begin(&message, RTM_GETROUTE, NLM_F_DUMP, &fixed, sizeof fixed);
    error = rtnetlink_ask(descriptor, &message, route_dump_take, dump, explanation);
  }
  buffer_free(&message);
  /* A kernel without this family has no such routes. */
  return error == EAFNOSUPPORT || error == EOPNOTSUPP ? 0 : error;
}

static int clear_family(int descriptor, uint8_t family, uint32_t if_index, struct buffer *explanation) {
  struct route_dump dump = {.if_index = if_index, .family = family};
  int error = dump_routes(descriptor, &dump, explanation);
  struct buffer message = {0};
  struct nlmsghdr header;
  for (size_t at = 0; error == 0 && at < dump.deletions.length; at += header.nlmsg_len) {
    memcpy(&header, dump.deletions.data + at, sizeof header);
    message.length = 0;
    buffer_append(&message, dump.deletions.data + at, header.nlmsg_len);
    error = rtnetlink_ask(descriptor, &message, NULL, NULL, explanation);
    /* Another process has removed it meanwhile. */
    if (error == ESRCH) error = 0;
  }
  buffer_free(&message);
  buffer_free(&dump.deletions);
  return error;
}

static int add_route(int descriptor, const struct ip_address *gateway, uint32_t if_index, unsigned flags, struct buffer *explanation) {
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
  rtnetlink_attribute(&message, RTA_GATEWAY, gateway->bytes, gateway->length);
  rtnetlink_attribute(&message, RTA_OIF, &if_index, sizeof if_index);
  int error = rtnetlink_ask(descriptor, &message, NULL, NULL, explanation);
  buffer_free(&message);
  return error;
}

static int add_gateway(int descriptor, const struct ip_address *gateway, uint32_t if_index, struct buffer *explanation) {
  int error = add_route(descriptor, gateway, if_index, 0, explanation);
  /* For a gateway outside every prefix of the interface: RTNH_F_ONLINK tells the kernel that it is on the link. */
  if (error == ENETUNREACH || error == EHOSTUNREACH || error == EINVAL) {
    error = add_route(descriptor, gateway, if_index, RTNH_F_ONLINK, explanation);
  }
  if (error != EEXIST) return error;
  /* Is this route there already, or is it another interface's or gateway's with the same metric? */
  struct route_dump dump = {.if_index = if_index, .family = gateway->family, .wanted = gateway};
  int dump_error = dump_routes(descriptor, &dump, explanation);
  buffer_free(&dump.deletions);
  if (dump_error != 0) return dump_error;
  return dump.has_wanted ? 0 : EEXIST;
}

/* A DEFAULT_ROUTE with its gateways read. */
struct routes {
  const struct default_route *order;
  struct ip_address gateways[DEFAULT_ROUTE_MAX_GATEWAYS];
};

static int change_routes(struct netlink_call *call, void *context) {
  const struct routes *routes = context;
  const struct default_route *order = routes->order;
  struct found_link link;
  call->doing = "looking for the interface";
  int error = link_find(call->descriptor, order->if_name, &link, &call->explanation);
  if (error != 0) return error;
  call->doing = "removing its IPv4 default routes";
  if (order->clear_ipv4) error = clear_family(call->descriptor, AF_INET, link.index, &call->explanation);
  if (error != 0) return error;
  call->doing = "removing its IPv6 default routes";
  if (order->clear_ipv6) error = clear_family(call->descriptor, AF_INET6, link.index, &call->explanation);
  if (error != 0) return error;
  call->doing = "adding a default route";
  for (size_t i = 0; error == 0 && i < order->gateway_count; i++) {
    error = add_gateway(call->descriptor, &routes->gateways[i], link.index, &call->explanation);
  }
  return error;
}

enum netlink_outcome default_route_set(const struct default_route *order, struct buffer *problem) {
  struct routes routes = {.order = order};
  for (size_t i = 0; i < order->gateway_count; i++) {
    if (ip_address_read(order->gateways[i], &routes.gateways[i])) continue;
    buffer_say(problem, "gateway \"");
    buffer_append_bytes(problem, order->gateways[i]);
    buffer_say(problem, "\" is not an address");
    return NETLINK_FAILED;
  }
  return netlink_call(order->netns, "default routes of ", order->if_name, change_routes, &routes, problem);
}
