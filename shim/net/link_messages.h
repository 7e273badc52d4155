/* Messages that make links, set them up, and tell what they are like. Each function returns 0 or an errno. */
#pragma once

#include <linux/if.h>

#include "net/links.h"

enum { LINK_MAC_BYTES = 6 };

struct nlmsghdr;

/* A link as the kernel tells of it. */
struct link_details {
  /* 0: none was found. */
  uint32_t index;
  uint32_t flags;
  uint32_t mtu;
  uint32_t queue_length;
  uint32_t promiscuity;
  uint32_t group;
  uint8_t operational_state;
  /* "veth"; "" for one that has none, or a long one. */
  char kind[16];
  char name[IFNAMSIZ];
  bool has_mac;
  uint8_t mac[LINK_MAC_BYTES];
};

/* Reads a message about a link. False: it is none. */
bool link_details_take(const struct nlmsghdr *header, struct bytes payload, struct link_details *link);

/* Asks for the link of this name. ENODEV: there is none. */
int link_details_find(struct rtnetlink *rtnetlink, const char *name, struct link_details *link);

/* The properties that every kind of a new link has. */
struct new_link {
  const char *name;
  /* 0: the kernel's choice. */
  uint32_t mtu;
  /* Empty: the kernel's choice. */
  struct bytes mac;
};

/* Makes a veth in the namespace of `inside`, whose other end `host_name` is in the namespace open as `host_netns`. */
int link_make_veth(struct rtnetlink *inside, const struct new_link *link, const char *host_name, int host_netns);

/* Makes a macvlan in the namespace open as `netns`, on `parent` in the namespace of `host`. `queue_length` 0: the kernel's choice. */
int link_make_macvlan(struct rtnetlink *host, const struct new_link *link, uint32_t parent, uint32_t mode, uint32_t queue_length, int netns);

/* Changes of a link; all zero changes nothing. */
struct link_change {
  /* Its new name; with index 0 the one that it has. */
  const char *name;
  /* IFF_*: those of `changed_flags` become as in `flags`. */
  uint32_t flags;
  uint32_t changed_flags;
  uint32_t group;
  /* A bridge. */
  uint32_t master;
  uint32_t mtu;
  bool has_queue_length;
  uint32_t queue_length;
  struct bytes mac;
};

int link_change(struct rtnetlink *rtnetlink, uint32_t index, const struct link_change *change);
int link_set_port_modes(struct rtnetlink *rtnetlink, uint32_t index, bool hairpin, bool isolated);
int link_add_address(struct rtnetlink *rtnetlink, uint32_t index, const struct ip_address *address, uint8_t prefix);

/* The address of the network: all bits behind the prefix are 0. */
struct ip_address ip_network(const struct ip_address *address, uint8_t prefix);

/* Those that are not there, of length 0 or 0, are the kernel's choice; a destination of length 0 is the default route's. */
struct link_route {
  struct ip_address destination;
  struct ip_address gateway;
  struct ip_address source;
  uint8_t prefix;
  /* RT_SCOPE_* */
  uint8_t scope;
  /* RTNH_F_* */
  uint32_t flags;
  uint32_t metric;
};

/* With `type` RTM_NEWROUTE and flags NLM_F_*, or RTM_DELROUTE. */
int link_change_route(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags, uint32_t index, const struct link_route *route);

/* Deletes the link with this index, or of this name, or all links of a group; those that are 0 or NULL do not count. */
int link_delete(struct rtnetlink *rtnetlink, uint32_t index, const char *name, uint32_t group);
