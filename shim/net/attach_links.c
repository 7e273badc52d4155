/* Makes interfaces as the plugins bridge, macvlan and ptp of release 1.9.1 do, with host-local or static, and tuning behind them: all of an order, or none. */
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/files.h"
#include "net/address_files.h"
#include "net/link_messages.h"
#include "net/link_settings.h"
#include "net/netns.h"
#include "net/tuning.h"

enum {
  /* For host-local's lock: in one directory, and in all of an order. */
  LOCK_PATIENCE = 2 * MICROS_PER_SECOND,
  ORDER_PATIENCE = 20 * MICROS_PER_SECOND,
  /* As long as the plugins wait for duplicate address detection, and for the bridge's port. */
  SETTLE_PATIENCE = 5 * MICROS_PER_SECOND,
  PORT_PATIENCE = 2550 * MICROS_PER_MILLI,
  /* Names of veths that are tried. */
  NAME_ATTEMPTS = 10,
};

struct attachment {
  struct native_links *order;
  const char *container_id;
  /* Sockets in the shim's own namespace and in the container's, and that one. */
  struct rtnetlink host;
  struct rtnetlink inside;
  int netns;
  int64_t until;
  struct buffer *problem;
  /* The `error` of DONE if a step fails. */
  const char *error;
};

/* Says which step of a link has failed, and why. True: it has not. */
static bool check(struct attachment *work, const char *name, const char *doing, int error) {
  const struct buffer *texts[] = {&work->host.explanation, &work->inside.explanation};
  if (error == 0) return true;
  (void)problem_say(work->problem, "%s: %s: %s", name, doing, strerror(error));
  for (size_t i = 0; i < COUNT_OF(texts); i++) {
    if (texts[i]->length > 0) (void)problem_say(work->problem, " (%.*s)", BYTES_TEXT(buffer_bytes(texts[i])));
  }
  return false;
}

static bool refuse(struct attachment *work, const char *name, const char *reason) { return problem_say(work->problem, "%s %s", name, reason); }

/* Is the bridge or master as the plugins leave it? */
static bool check_parent(struct attachment *work, struct native_link *link) {
  struct link_details parent;
  char accepts;
  if (link->kind == NATIVE_PTP) return true;
  if (!check(work, link->parent, "looking for it", link_details_find(&work->host, link->parent, &parent))) return false;
  link->parent_index = parent.index;
  if (link->kind == NATIVE_MACVLAN) return link->mtu <= parent.mtu || refuse(work, link->parent, "has a smaller MTU");
  if (strcmp(parent.kind, "bridge") != 0) return refuse(work, link->parent, "is no bridge");
  /* The result has its own name. */
  if (strcmp(parent.name, link->parent) != 0) return problem_say(work->problem, "%s is another name of %s", link->parent, parent.name);
  if ((parent.flags & IFF_UP) == 0) return refuse(work, link->parent, "is down");
  if (link->promiscuous && (parent.flags & IFF_PROMISC) == 0) return refuse(work, link->parent, "is not promiscuous");
  bool is_owned = !link_setting_read("ipv6/conf", link->parent, "accept_ra", &accepts) || accepts == '0';
  return is_owned || refuse(work, link->parent, "accepts router advertisements");
}

static bool is_there(struct attachment *work, struct native_link *link) {
  struct link_details details;
  if (link_details_find(&work->inside, link->name, &details) != 0) return false;
  work->error = "link-exists";
  (void)problem_say(work->problem, "interface %s is already there in %.*s", link->name, BYTES_TEXT(work->order->netns));
  return true;
}

static bool make_link(struct attachment *work, struct native_link *link) {
  int error = EEXIST;
  struct link_details made;
  for (int attempt = 0; error == EEXIST && attempt < NAME_ATTEMPTS; attempt++) {
    uint32_t random;
    char name[IFNAMSIZ];
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) return check(work, link->name, "a random name", errno);
    (void)snprintf(name, sizeof name, "veth%08" PRIx32, random);
    /* Kernels before 6.15 look in the shim's namespace, too, whether the name is taken. */
    bool is_veth = native_is_veth(link), is_temporary = !is_veth && attempt > 0;
    struct new_link new_link = {.name = is_temporary ? name : link->name, .mtu = link->mtu, .mac = link->mac};
    error = is_veth ? link_make_veth(&work->inside, &new_link, name, netns_own())
                    : link_make_macvlan(&work->host, &new_link, link->parent_index, link->mode, link->queue_length, work->netns);
    if (error == EEXIST && is_there(work, link)) return false;
    if (error == EEXIST) continue;
    /* After another error it may be there, too, where the kernel's answer was lost. */
    if (is_veth) memcpy(link->host_name, name, sizeof name);
    if (error == 0) memcpy(link->made_name, is_temporary ? name : link->name, sizeof name);
  }
  if (!check(work, link->name, "making it", error) ||
      !check(work, link->name, "looking for it", link_details_find(&work->inside, link->made_name, &made))) {
    return false;
  }
  link->index = made.index;
  memcpy(link->made_mac, made.mac, sizeof made.mac);
  if (strcmp(link->made_name, link->name) != 0) {
    error = link_change(&work->inside, link->index, &(struct link_change){.name = link->name});
    if (error == EEXIST && is_there(work, link)) return false;
    if (!check(work, link->name, "renaming it", error)) return false;
  }
  return made.has_mac || refuse(work, link->name, "has no MAC address");
}

/* Sets the veth's end on the host up, for a bridge as its port. */
static bool set_host_end(struct attachment *work, const struct native_link *link) {
  struct link_details port;
  struct link_change change = {.name = link->host_name, .master = link->parent_index, .flags = IFF_UP, .changed_flags = IFF_UP};
  if (!check(work, link->host_name, "setting it up", link_change(&work->host, 0, &change))) return false;
  if (!link->hairpin && !link->isolated) return true;
  return check(work, link->host_name, "looking for it", link_details_find(&work->host, link->host_name, &port)) &&
         check(work, link->host_name, "setting the port's modes", link_set_port_modes(&work->host, port.index, link->hairpin, link->isolated));
}

static bool take_addresses(struct attachment *work, struct native_link *link) {
  struct address_files files;
  if (link->set_count == 0) {
    buffer_append_bytes(&link->made_addresses, buffer_bytes(&link->addresses));
    return true;
  }
  int64_t patience = clock_micros() + LOCK_PATIENCE;
  bool is_good = address_files_open(&files, link->directory) && address_files_lock(&files, patience < work->until ? patience : work->until);
  if (!is_good) (void)problem_say(work->problem, "cannot use %.*s: %s", BYTES_TEXT(link->directory), strerror(errno));
  is_good = is_good && address_files_take(&files, link, work->container_id, work->problem);
  /* The lock goes with its descriptor. */
  file_close(&files.lock);
  link->directory_fd = files.directory;
  buffer_append_bytes(&link->made_addresses, buffer_bytes(&link->addresses));
  return is_good;
}

/* The first gateway of a family; length 0: there is none. */
static struct ip_address first_gateway(const struct native_link *link, uint8_t family) {
  size_t count;
  const struct native_address *made = native_addresses(&link->made_addresses, &count);
  for (size_t i = 0; i < count; i++) {
    if (made[i].gateway.address.family == family) return made[i].gateway.address;
  }
  return (struct ip_address){0};
}

/* Settings, addresses, up. */
static bool configure(struct attachment *work, const struct native_link *link) {
  size_t count;
  bool has_ipv6 = false;
  const struct native_address *made = native_addresses(&link->made_addresses, &count);
  for (size_t i = 0; i < count; i++) has_ipv6 = has_ipv6 || made[i].address.family == AF_INET6;
  (void)tuning_write_settings(link, false, work->problem);
  /* Addresses of the pod's own may have been forbidden, too. A kernel without IPv6 has no such file. */
  int error = has_ipv6 ? link_setting_write("ipv6/conf", "lo", "disable_ipv6", "0") : 0;
  if (error != ENOENT && !check(work, "lo", "enabling IPv6", error)) return false;
  for (size_t i = 0; i < count; i++) {
    if (!check(work, link->name, "adding an address", link_add_address(&work->inside, link->index, &made[i].address, made[i].prefix))) return false;
  }
  return check(work, link->name, "setting it up", link_change(&work->inside, link->index, &(struct link_change){.flags = IFF_UP, .changed_flags = IFF_UP}));
}

/* The IPv6 addresses of links that wait for duplicate address detection. */
struct settling {
  const struct native_links *order;
  const struct native_link *tentative;
  const struct native_link *failed;
};

static void take_settling(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct settling *settling = context;
  struct ifaddrmsg fixed;
  struct bytes content;
  if (header->nlmsg_type != RTM_NEWADDR || payload.length < sizeof fixed) return;
  memcpy(&fixed, payload.data, sizeof fixed);
  bytes_skip(&payload, sizeof fixed);
  uint32_t flags = fixed.ifa_flags;
  if (rtnetlink_find_attribute(payload, IFA_FLAGS, &content) && content.length >= sizeof flags) memcpy(&flags, content.data, sizeof flags);
  for (size_t i = 0; i < settling->order->count; i++) {
    const struct native_link *link = &settling->order->list[i];
    if (link->index != fixed.ifa_index || first_gateway(link, AF_INET6).length == 0) continue;
    if ((flags & IFA_F_DADFAILED) != 0) settling->failed = link;
    if ((flags & IFA_F_TENTATIVE) != 0) settling->tentative = link;
  }
}

/* Asks for all addresses of a family (AF_UNSPEC: of all). */
static int dump_addresses(struct rtnetlink *rtnetlink, uint8_t family, rtnetlink_receive *receive, void *context) {
  struct ifaddrmsg fixed = {.ifa_family = family};
  return rtnetlink_dump(rtnetlink, RTM_GETADDR, &fixed, sizeof fixed, NULL, receive, context);
}

/* Waits for duplicate address detection of the links that have an IPv6 gateway. */
static bool settle(struct attachment *work) {
  bool waits = false;
  struct settling settling = {.order = work->order};
  struct rtnetlink events = {.descriptor = -1};
  struct link_details details;
  for (size_t i = 0; i < work->order->count; i++) waits = waits || first_gateway(&work->order->list[i], AF_INET6).length > 0;
  if (!waits) return true;
  int64_t until = clock_micros() + SETTLE_PATIENCE;
  int error = rtnetlink_open(&events, RTMGRP_IPV6_IFADDR);
  while (error == 0) {
    settling.tentative = settling.failed = NULL;
    error = dump_addresses(&work->inside, AF_INET6, take_settling, &settling);
    if (error == 0 && (settling.failed != NULL || settling.tentative == NULL || clock_micros() >= until)) break;
    if (error == 0) error = rtnetlink_wait(&events, until, NULL, NULL);
    if (error == ETIMEDOUT || error == ENOBUFS) error = 0;
  }
  rtnetlink_close(&events);
  if (!check(work, "IPv6", "waiting for duplicate address detection", error)) return false;
  if (settling.failed != NULL) return refuse(work, settling.failed->name, "has an address that another host has");
  if (settling.tentative == NULL) return true;
  /* Without a carrier no detection ends. */
  error = link_details_find(&work->inside, settling.tentative->name, &details);
  return check(work, settling.tentative->name, "looking for it", error) &&
         (details.operational_state != IF_OPER_UP || refuse(work, settling.tentative->name, "still has tentative addresses"));
}

static bool add_route(struct attachment *work, struct rtnetlink *rtnetlink, uint32_t index, const char *name, const struct link_route *route) {
  int error = link_change_route(rtnetlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index, route);
  /* On the host, the plugin does not mind one that is there. */
  return (error == EEXIST && rtnetlink == &work->host) || check(work, name, "adding a route", error);
}

/* Replaces the routes that the kernel has made for the addresses of a ptp: everything but the gateway is reached through it. */
static bool route_through_gateways(struct attachment *work, const struct native_link *link) {
  size_t count;
  const struct native_address *made = native_addresses(&link->made_addresses, &count);
  for (size_t i = 0; i < count; i++) {
    const struct ip_address *own = &made[i].address, *gateway = &made[i].gateway.address;
    struct link_route of_kernel = {.destination = ip_network(own, made[i].prefix), .prefix = made[i].prefix, .scope = RT_SCOPE_NOWHERE};
    struct link_route to_gateway = {.destination = *gateway, .prefix = (uint8_t)(own->length * 8), .source = *own, .scope = RT_SCOPE_LINK};
    struct link_route to_others = {.destination = of_kernel.destination, .prefix = made[i].prefix, .gateway = *gateway, .source = *own};
    bool is_done = check(work, link->name, "removing a route", link_change_route(&work->inside, RTM_DELROUTE, 0, link->index, &of_kernel)) &&
                   add_route(work, &work->inside, link->index, link->name, &to_gateway) &&
                   add_route(work, &work->inside, link->index, link->name, &to_others);
    if (!is_done) return false;
  }
  return true;
}

static bool add_routes(struct attachment *work, const struct native_link *link) {
  size_t count = link->routes.length / sizeof(struct link_route);
  const struct link_route *routes = (const struct link_route *)(const void *)link->routes.data;
  for (size_t i = 0; i < count; i++) {
    struct link_route route = routes[i];
    if (route.gateway.length == 0) route.gateway = first_gateway(link, route.destination.family);
    /* Without NLM_F_EXCL: a second IPv6 route becomes another hop of the first. */
    int error = link_change_route(&work->inside, RTM_NEWROUTE, NLM_F_CREATE, link->index, &route);
    if (!check(work, link->name, "adding a route", error)) return false;
  }
  return link->kind != NATIVE_PTP || route_through_gateways(work, link);
}

/* In the container's namespace. */
static bool make_inside(struct attachment *work) {
  int error = rtnetlink_open(&work->inside, 0);
  if (!check(work, "netlink", work->inside.doing, error)) return false;
  for (size_t i = 0; i < work->order->count; i++) {
    struct native_link *link = &work->order->list[i];
    int64_t began = clock_micros();
    bool is_made = make_link(work, link) && (!native_is_veth(link) || set_host_end(work, link)) && take_addresses(work, link) && configure(work, link);
    if (!is_made) return false;
    link->micros = clock_micros() - began;
  }
  if (!settle(work)) return false;
  for (size_t i = 0; i < work->order->count; i++) {
    struct native_link *link = &work->order->list[i];
    if (!add_routes(work, link) || !tuning_apply(&work->inside, link, work->container_id, work->problem)) return false;
  }
  return true;
}

/* Have two addresses the same first bits? */
static bool overlap(const struct ip_address *a, const struct ip_address *b, size_t bits) {
  size_t bytes = bits / 8;
  uint8_t mask = (uint8_t)(0xff00 >> bits % 8);
  return memcmp(a->bytes, b->bytes, bytes) == 0 && (mask == 0 || ((a->bytes[bytes] ^ b->bytes[bytes]) & mask) == 0);
}

/* Marks a gateway that a bridge has, and one beside which it has others. */
static void see_gateway(struct native_gateway *gateway, uint8_t prefix, const struct ip_address *own, uint8_t own_prefix) {
  if (gateway->address.family != own->family) return;
  if (prefix == own_prefix && memcmp(&gateway->address, own, sizeof *own) == 0) {
    gateway->is_there = !gateway->is_beside_others;
  } else if (own->family == AF_INET || overlap(&gateway->address, own, prefix < own_prefix ? prefix : own_prefix)) {
    gateway->is_beside_others = true;
  }
}

static void take_gateway(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct native_links *order = context;
  struct ifaddrmsg fixed;
  struct bytes content;
  struct ip_address own;
  if (header->nlmsg_type != RTM_NEWADDR || payload.length < sizeof fixed) return;
  memcpy(&fixed, payload.data, sizeof fixed);
  bytes_skip(&payload, sizeof fixed);
  if (!rtnetlink_find_attribute(payload, IFA_ADDRESS, &content) || !ip_address_take(fixed.ifa_family, content, &own)) return;
  for (size_t i = 0; i < order->count; i++) {
    size_t ranges, addresses;
    struct native_range *range = native_ranges(&order->list[i], &ranges);
    struct native_address *address = native_addresses(&order->list[i].addresses, &addresses);
    if (order->list[i].parent_index != fixed.ifa_index) continue;
    for (size_t j = 0; j < ranges; j++) see_gateway(&range[j].gateway, range[j].prefix, &own, fixed.ifa_prefixlen);
    for (size_t j = 0; j < addresses; j++) see_gateway(&address[j].gateway, address[j].prefix, &own, fixed.ifa_prefixlen);
  }
}

static bool check_gateway(struct attachment *work, const struct native_link *link, const struct native_gateway *gateway) {
  if (link->is_gateway && !gateway->is_there) return refuse(work, link->parent, "does not have the address of a gateway");
  if (gateway->address.length == 0) return refuse(work, link->name, "has no gateway");
  return link_setting_forwards(gateway->address.family) || refuse(work, link->name, "has a gateway on the node, which does not forward");
}

/* Has each bridge that is a gateway all addresses for that, and does the node forward? Before a bridge gets a port: one that is taken away again leaves a bridge to
 * which no plugin has given an address yet without a MAC, and then the plugin cannot give it one either. */
static bool check_gateways(struct attachment *work) {
  bool is_gateway = false;
  for (size_t i = 0; i < work->order->count; i++) is_gateway = is_gateway || work->order->list[i].is_gateway;
  if (is_gateway && !check(work, "bridges", "looking for their addresses", dump_addresses(&work->host, AF_UNSPEC, take_gateway, work->order))) return false;
  for (size_t i = 0; i < work->order->count; i++) {
    const struct native_link *link = &work->order->list[i];
    size_t ranges, addresses;
    const struct native_range *range = native_ranges(link, &ranges);
    const struct native_address *address = native_addresses(&link->addresses, &addresses);
    if (!link->is_gateway && link->kind != NATIVE_PTP) continue;
    for (size_t j = 0; j < ranges; j++) {
      if (!check_gateway(work, link, &range[j].gateway)) return false;
    }
    for (size_t j = 0; j < addresses; j++) {
      if (!check_gateway(work, link, &address[j].gateway)) return false;
    }
  }
  return true;
}

/* Waits until the bridge's port works. */
static bool wait_for_port(struct attachment *work, struct native_link *link) {
  struct link_details port;
  struct rtnetlink events = {.descriptor = -1};
  int64_t until = clock_micros() + PORT_PATIENCE;
  int error = link_details_find(&work->host, link->host_name, &port);
  if (error == 0 && port.operational_state != IF_OPER_UP) error = rtnetlink_open(&events, RTMGRP_LINK);
  while (error == 0 && port.operational_state != IF_OPER_UP) {
    error = link_details_find(&work->host, link->host_name, &port);
    if (error != 0 || port.operational_state == IF_OPER_UP) break;
    error = rtnetlink_wait(&events, until, NULL, NULL);
    if (error == ENOBUFS) error = 0;
  }
  rtnetlink_close(&events);
  memcpy(link->host_mac, port.mac, sizeof port.mac);
  return check(work, link->host_name, "waiting for the bridge's port", error);
}

/* The gateways' addresses, and routes to those of the container. */
static bool finish_ptp(struct attachment *work, struct native_link *link) {
  struct link_details end;
  size_t count;
  const struct native_address *made = native_addresses(&link->made_addresses, &count);
  if (!check(work, link->host_name, "looking for it", link_details_find(&work->host, link->host_name, &end))) return false;
  memcpy(link->host_mac, end.mac, sizeof end.mac);
  for (size_t i = 0; i < count; i++) {
    struct link_route route = {.destination = made[i].address, .prefix = (uint8_t)(made[i].address.length * 8), .scope = RT_SCOPE_HOST};
    int error = link_add_address(&work->host, end.index, &made[i].gateway.address, route.prefix);
    if (!check(work, link->host_name, "adding an address", error) || !add_route(work, &work->host, end.index, link->host_name, &route)) return false;
  }
  return true;
}

static bool finish_bridge(struct attachment *work, struct native_link *link) {
  struct link_details parent;
  /* A port may have changed the bridge's address. */
  if (!wait_for_port(work, link) || !check(work, link->parent, "looking for it", link_details_find(&work->host, link->parent, &parent))) return false;
  memcpy(link->parent_mac, parent.mac, sizeof parent.mac);
  return true;
}

/* Back in the shim's own namespace. */
static bool finish(struct attachment *work) {
  for (size_t i = 0; i < work->order->count; i++) {
    struct native_link *link = &work->order->list[i];
    if (!native_is_veth(link)) continue;
    (void)link_setting_write("ipv6/conf", link->host_name, "accept_ra", "0");
    if (!(link->kind == NATIVE_PTP ? finish_ptp : finish_bridge)(work, link)) return false;
  }
  return true;
}

/* Of a veth the end on the host, which the namespace's owner can neither rename nor move; the other one goes with it. 0 or an errno. */
static int remove_link(struct attachment *work, const struct native_link *link) {
  bool is_veth = native_is_veth(link);
  if ((is_veth ? link->host_name : link->made_name)[0] == '\0') return 0;
  int error = is_veth ? link_delete(&work->host, 0, link->host_name, 0) : link_delete(&work->inside, link->index, link->index == 0 ? link->made_name : NULL, 0);
  return error == ENODEV ? 0 : error;
}

static void undo(struct attachment *work) {
  /* Leaves a descriptor where no more can be had. */
  file_close(&work->netns);
  for (size_t i = work->order->count; i-- > 0;) {
    struct native_link *link = &work->order->list[i];
    int error = link->has_backup && !tuning_remove_backup(link, work->container_id) ? errno : 0;
    if (error == 0) error = remove_link(work, link);
    if (error == 0 && !address_files_give_back(link, work->container_id)) error = errno;
    if (error == 0) continue;
    work->error = "failed";
    (void)problem_say(work->problem, "; undoing %s: %s", link->name, strerror(error));
  }
}

const char *native_links_attach(struct native_links *order, const char *container_id, struct buffer *problem) {
  struct attachment work = {
      .order = order,
      .container_id = container_id,
      .inside = {.descriptor = -1},
      .netns = -1,
      .until = clock_micros() + ORDER_PATIENCE,
      .problem = problem,
      .error = "unsuited",
  };
  int error = rtnetlink_open(&work.host, 0);
  bool is_done = check(&work, "netlink", work.host.doing, error);
  for (size_t i = 0; is_done && i < order->count; i++) is_done = check_parent(&work, &order->list[i]);
  is_done = is_done && check_gateways(&work);
  if (is_done) {
    work.netns = netns_enter_other(order->netns, problem);
    is_done = work.netns >= 0;
    if (!is_done) work.error = "netns";
  }
  if (is_done) {
    is_done = make_inside(&work);
    netns_leave();
    is_done = is_done && finish(&work);
    if (!is_done) undo(&work);
  }
  rtnetlink_close(&work.host);
  rtnetlink_close(&work.inside);
  file_close(&work.netns);
  return is_done ? NULL : work.error;
}

void native_links_free(struct native_links *order) {
  for (size_t i = 0; i < order->count; i++) {
    struct native_link *link = &order->list[i];
    buffer_free(&link->ranges);
    buffer_free(&link->addresses);
    buffer_free(&link->routes);
    buffer_free(&link->settings);
    buffer_free(&link->made_addresses);
    file_close(&link->directory_fd);
  }
  free(order->list);
  *order = (struct native_links){0};
}
