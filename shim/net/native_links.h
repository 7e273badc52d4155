/* ATTACH_LINKS and DETACH_LINKS: interfaces that the shim makes and removes as their plugins would. */
#pragma once



#include <linux/if.h>

#include "net/link_messages.h"

enum {
  NATIVE_MAX_LINKS = 64,
  NATIVE_MAX_PLUGINS = 64,
  NATIVE_MAX_SETS = 16,
  NATIVE_MAX_RANGES = 16,
  NATIVE_MAX_ADDRESSES = 64,
  NATIVE_MAX_ROUTES = 256,
  NATIVE_MAX_SETTINGS = 64,
};

/* Of the addresses below, one with length 0 is none. */

enum native_kind { NATIVE_BRIDGE, NATIVE_MACVLAN, NATIVE_PTP };

struct native_gateway {
  struct ip_address address;
  /* The bridge has it. */
  bool is_there;
  /* Before it the bridge has an address beside which the plugin refuses to have it: any other one of IPv4, one that overlaps of IPv6. */
  bool is_beside_others;
};

struct native_range {
  /* Index of its range set. */
  size_t set;
  struct ip_address first;
  struct ip_address last;
  struct native_gateway gateway;
  uint8_t prefix;
};

struct native_address {
  struct ip_address address;
  struct native_gateway gateway;
  uint8_t prefix;
  /* The address that its range set had given last before it; length 0: none. */
  struct ip_address former_last;
};

/* A setting below /proc/sys/net: of this link, in a table of all links. */
struct native_setting {
  /* "ipv4/conf" */
  const char *table;
  char name[64];
  char value[64];
  /* The plugin tuning makes it, when the rest is done; it has to succeed then. */
  bool is_tuning;
};

struct native_link {
  char name[IFNAMSIZ];
  enum native_kind kind;
  char parent[IFNAMSIZ];
  /* 0 to 6 bytes long: 0 is none. */
  struct bytes mac;
  struct bytes directory;
  /* Where the plugin tuning keeps what it has changed. */
  struct bytes backups;
  bool is_tuned;
  struct link_change tuning;
  uint32_t mtu;
  uint32_t mode;
  uint32_t queue_length;
  bool hairpin;
  bool isolated;
  bool promiscuous;
  bool is_gateway;
  size_t set_count;
  struct ip_address requested[NATIVE_MAX_SETS];
  /* Consecutive struct native_range, native_address, link_route and native_setting. */
  struct buffer ranges;
  struct buffer addresses;
  struct buffer routes;
  struct buffer settings;

  /* The link that is made of it. */
  /* Under this name the link was made; "": it is not. */
  char made_name[IFNAMSIZ];
  uint32_t index;
  uint32_t parent_index;
  uint8_t made_mac[LINK_MAC_BYTES];
  uint8_t host_mac[LINK_MAC_BYTES];
  uint8_t parent_mac[LINK_MAC_BYTES];
  /* Of a veth. */
  char host_name[IFNAMSIZ];
  /* Consecutive struct native_address; the first `taken` of them have files in the directory. */
  struct buffer made_addresses;
  size_t taken;
  int directory_fd;
  bool has_backup;
  int64_t micros;
};

/* Else it is a macvlan. */
static inline bool native_is_veth(const struct native_link *link) { return link->kind != NATIVE_MACVLAN; }

/* An order; all zero is an empty one. */
struct native_links {
  /* Empty: there is none (any more). */
  struct bytes netns;
  size_t count;
  struct native_link *list;
};

/* The elements of these buffers. */
static inline struct native_range *native_ranges(const struct native_link *link, size_t *count) {
  *count = link->ranges.length / sizeof(struct native_range);
  return (struct native_range *)(void *)link->ranges.data;
}

static inline struct native_address *native_addresses(const struct buffer *buffer, size_t *count) {
  *count = buffer->length / sizeof(struct native_address);
  return (struct native_address *)(void *)buffer->data;
}

/* Makes the links in the namespace, all or none, for this container. Returns NULL, or the `error` of a DONE, and appends the reason to `problem`. */
const char *native_links_attach(struct native_links *order, const char *container_id, struct buffer *problem);

/* Removes the links in the namespace, then the container's address files. Returns NULL, or the `error` of a DONE, and appends the reason to `problem`. */
const char *native_links_detach(struct native_links *order, const char *container_id, struct buffer *problem);

void native_links_free(struct native_links *order);
