/* ATTACH_LINKS and DETACH_LINKS: interfaces that the shim makes and removes as their plugins would. */
#pragma once



#include <linux/if.h>

#include "net/links.h"

enum {
  NATIVE_MAX_LINKS = 64,
  NATIVE_MAX_PLUGINS = 64,
  NATIVE_MAX_SETS = 16,
  NATIVE_MAX_RANGES = 16,
  NATIVE_MAX_ADDRESSES = 64,
  NATIVE_MAX_ROUTES = 256,
  NATIVE_MAC_BYTES = 6,
};

/* Of the addresses below, one with length 0 is none. */

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

struct native_route {
  struct ip_address destination;
  struct ip_address gateway;
  uint8_t prefix;
  /* 0: the kernel's. */
  uint32_t metric;
};

struct native_link {
  char name[IFNAMSIZ];
  bool is_bridge;
  char parent[IFNAMSIZ];
  /* 0 to 6 bytes long: 0 is none. */
  struct bytes mac;
  struct bytes directory;
  uint32_t mtu;
  uint32_t mode;
  uint32_t queue_length;
  bool hairpin;
  bool isolated;
  bool promiscuous;
  bool detects_duplicates;
  bool is_gateway;
  size_t set_count;
  struct ip_address requested[NATIVE_MAX_SETS];
  /* Consecutive struct native_range, native_address and native_route. */
  struct buffer ranges;
  struct buffer addresses;
  struct buffer routes;

  /* The link that is made of it. */
  /* Under this name the link was made; "": it is not. */
  char made_name[IFNAMSIZ];
  uint32_t index;
  uint32_t parent_index;
  uint8_t made_mac[NATIVE_MAC_BYTES];
  uint8_t host_mac[NATIVE_MAC_BYTES];
  uint8_t parent_mac[NATIVE_MAC_BYTES];
  /* Of a bridge. */
  char host_name[IFNAMSIZ];
  /* Consecutive struct native_address; the first `taken` of them have files in the directory. */
  struct buffer made_addresses;
  size_t taken;
  int directory_fd;
  int64_t micros;
};

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
