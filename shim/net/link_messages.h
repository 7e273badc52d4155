/* Messages that make links, set them up, and tell what they are like. Each function returns 0 or an errno. */
#pragma once

#include "net/native_links.h"

struct nlmsghdr;

/* A link as the kernel tells of it. */
struct link_details {
  /* 0: none was found. */
  uint32_t index;
  uint32_t flags;
  uint32_t mtu;
  uint32_t group;
  uint8_t operational_state;
  /* "veth"; "" for one that has none, or a long one. */
  char kind[16];
  char name[IFNAMSIZ];
  bool has_mac;
  uint8_t mac[NATIVE_MAC_BYTES];
};

/* Reads a message about a link. False: it is none. */
bool link_details_take(const struct nlmsghdr *header, struct bytes payload, struct link_details *link);

/* Asks for the link of this name. ENODEV: there is none. */
int link_details_find(struct rtnetlink *rtnetlink, const char *name, struct link_details *link);

/* Makes a veth in the namespace of `inside`, whose other end `host_name` is in the namespace open as `host_netns`. */
int link_make_veth(struct rtnetlink *inside, const struct native_link *link, const char *host_name, int host_netns);

/* Makes a macvlan of this name in the namespace open as `netns`, on the parent of `link` in the namespace of `host`. */
int link_make_macvlan(struct rtnetlink *host, const struct native_link *link, const char *name, int netns);

int link_rename(struct rtnetlink *rtnetlink, uint32_t index, const char *name);
int link_set_up(struct rtnetlink *rtnetlink, uint32_t index);
int link_set_group(struct rtnetlink *rtnetlink, uint32_t index, uint32_t group);
/* Makes the link of this name a port of a bridge, and sets it up. */
int link_set_port(struct rtnetlink *rtnetlink, const char *name, uint32_t bridge);
int link_set_port_modes(struct rtnetlink *rtnetlink, uint32_t index, bool hairpin, bool isolated);
int link_add_address(struct rtnetlink *rtnetlink, uint32_t index, const struct native_address *address);
int link_add_route(struct rtnetlink *rtnetlink, uint32_t index, const struct native_route *route);

/* Starts a message that deletes the link with this index; 0: the one of this name. */
void link_begin_deletion(struct buffer *message, uint32_t index, const char *name);
/* Starts one that deletes all links of a group. */
void link_begin_group_deletion(struct buffer *message, uint32_t group);
