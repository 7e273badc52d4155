/* Target: frames and the bodies of orders (shim/wire/frame.c, msgpack.c, order.c, native_order.c). */
#include <string.h>

#include "wire/native_order.h"
#include "wire/order.h"
#include "readers.h"
#include "target.h"

/* The readers of bodies: those of the orders by their types, and the one of REPLY. */
enum { READER_OF_ATTACH = 4, READER_OF_DETACH = 5, READER_OF_REPLY = 6, READERS = 7 };

/* The parts of a stream that are printed. */
enum frames_say { FRAMES_SAY_NOTHING, FRAMES_SAY_HEADS, FRAMES_SAY_ORDERS };

static void check_exec(const struct order_exec *order) {
  touch(order->plugin);
  touch(order->path);
  touch(order->input);
  MUST(memchr(order->plugin.data, 0, order->plugin.length) == NULL);
  if (order->has_absent_link) touch(order->absent_link.netns);
  const struct netns_identity *left = &order->left_netns;
  MUST(memchr(left->boot_id, 0, sizeof left->boot_id) != NULL);
}

/* Every link has its name and as many addresses as it says, each of which says whose it is. */
static void check_link_states(const struct link_states *states) {
  size_t address_count = 0, at = 0;
  MUST(states->netns.length > 0 && states->count > 0 && states->count <= ORDER_MAX_LINKS);
  for (size_t i = 0; i < states->count; i++) {
    const struct seen_link *link = &states->list[i];
    MUST(link->if_name.length > 0 && link->if_name.length <= ORDER_MAX_IF_NAME);
    touch(link->if_name);
    MUST(link->address_count <= LINK_STATES_MAX_ADDRESSES && link->link.index == 0);
    address_count += link->address_count;
    for (size_t place = 0; place < link->address_count; place++, at++) {
      struct expected_address expected;
      MUST((at + 1) * sizeof expected <= states->addresses.length);
      memcpy(&expected, states->addresses.data + at * sizeof expected, sizeof expected);
      MUST(expected.link == i && expected.place == place && (expected.address.length == 4 || expected.address.length == 16));
    }
  }
  MUST(address_count * sizeof(struct expected_address) == states->addresses.length);
}

static void check_address(const struct ip_address *address, bool may_be_missing) {
  MUST(address->length == 4 || address->length == 16 || (may_be_missing && address->length == 0));
}

/* The links are within bounds, and every name and path is one that may be used. */
static void check_native_links(const struct native_links *links, bool is_attach) {
  MUST(links->count > 0 && links->count <= NATIVE_MAX_LINKS && (!is_attach || links->netns.length > 0));
  for (size_t i = 0; i < links->count; i++) {
    const struct native_link *link = &links->list[i];
    size_t range_count, address_count, set = 0;
    const struct native_range *ranges = native_ranges(link, &range_count);
    const struct native_address *addresses = native_addresses(&link->addresses, &address_count);
    MUST(memchr(link->name, 0, sizeof link->name) != NULL && link->name[0] != 0 && strchr(link->name, '/') == NULL);
    MUST(link->mac.length == 0 || link->mac.length == LINK_MAC_BYTES);
    touch(link->mac);
    touch(link->directory);
    MUST(link->directory.length != 1 && (link->directory.length == 0 || link->directory.data[0] == '/'));
    MUST(link->set_count <= NATIVE_MAX_SETS && address_count <= NATIVE_MAX_ADDRESSES);
    MUST(range_count <= link->set_count * NATIVE_MAX_RANGES && (link->set_count == 0 || link->directory.length > 0));
    for (size_t j = 0; j < range_count; j++) {
      MUST(ranges[j].set == set || ranges[j].set == set + 1);
      set = ranges[j].set;
      check_address(&ranges[j].first, false);
      check_address(&ranges[j].gateway.address, true);
      MUST(ranges[j].first.length == ranges[j].last.length && ranges[j].prefix <= ranges[j].first.length * 8);
    }
    MUST(link->set_count == 0 || set + 1 == link->set_count);
    for (size_t j = 0; j < address_count; j++) {
      check_address(&addresses[j].address, false);
      MUST(addresses[j].prefix <= addresses[j].address.length * 8);
    }
    size_t setting_count = link->settings.length / sizeof(struct native_setting);
    const struct native_setting *settings = (const struct native_setting *)(const void *)link->settings.data;
    MUST(setting_count <= NATIVE_MAX_SETTINGS);
    for (size_t j = 0; j < setting_count; j++) {
      MUST(settings[j].table != NULL && settings[j].name[0] != 0 && strpbrk(settings[j].name, "./") == NULL);
      MUST(memchr(settings[j].name, 0, sizeof settings[j].name) != NULL && memchr(settings[j].value, 0, sizeof settings[j].value) != NULL);
    }
    MUST(!is_attach || (link->kind == NATIVE_PTP) == (link->parent[0] == 0));
    MUST(link->tuning.mac.length == 0 || link->tuning.mac.length == LINK_MAC_BYTES);
    MUST((link->tuning.changed_flags & ~(uint32_t)(IFF_PROMISC | IFF_ALLMULTI)) == 0 && link->tuning.name == NULL);
    MUST(link->tuning.group == 0 && link->tuning.master == 0);
    touch(link->backups);
    MUST(link->routes.length <= NATIVE_MAX_ROUTES * sizeof(struct link_route));
    MUST(link->made_name[0] == 0 && link->index == 0 && link->taken == 0 && link->directory_fd == -1);
  }
}

/* Takes a body apart as every order. Appends what the order of this type says. */
static void check_body(const struct frame *frame, struct buffer *verdict) {
  struct buffer problems[READERS] = {{0}};
  struct order_exec exec;
  struct order_link link;
  struct default_route route;
  struct link_states link_states = {0};
  struct order_reply reply;
  struct native_links attached = {0}, detached = {0};
  struct order_plugins plugins;
  struct order_after after[3] = {0};
  bool good[READERS] = {
      order_read_exec(frame->body, &exec, &problems[0]) && order_read_after(frame->body, &after[0], &problems[0]),
      order_read_link(frame->body, &link, &problems[1]),
      order_read_default_route(frame->body, &route, &problems[2]),
      order_read_link_states(frame->body, &link_states, &problems[3]),
      order_read_attach_links(frame->body, &attached, &plugins, &problems[READER_OF_ATTACH]) &&
          order_read_after(frame->body, &after[1], &problems[READER_OF_ATTACH]),
      order_read_detach_links(frame->body, &detached, &problems[READER_OF_DETACH]) &&
          order_read_after(frame->body, &after[2], &problems[READER_OF_DETACH]),
      order_read_reply(frame->body, &reply, &problems[READER_OF_REPLY]),
  };
  if (good[0]) check_exec(&exec);
  for (size_t i = 0; i < COUNT_OF(after); i++) MUST(after[i].present || after[i].id == 0);
  if (good[1]) {
    touch(link.netns);
    MUST(link.if_name.length <= ORDER_MAX_IF_NAME);
  }
  if (good[2]) {
    MUST(good[1] && route.gateway_count <= DEFAULT_ROUTE_MAX_GATEWAYS);
    for (size_t i = 0; i < route.gateway_count; i++) touch(route.gateways[i]);
  }
  if (good[3]) check_link_states(&link_states);
  link_states_free(&link_states);
  if (good[READER_OF_ATTACH]) check_native_links(&attached, true);
  if (good[READER_OF_ATTACH]) MUST(plugins.count > 0 && plugins.count <= NATIVE_MAX_PLUGINS);
  if (good[READER_OF_DETACH]) check_native_links(&detached, false);
  native_links_free(&attached);
  native_links_free(&detached);
  if (good[READER_OF_REPLY]) touch(reply.output);
  for (size_t i = 0; i < READERS; i++) MUST(good[i] == (problems[i].length == 0));
  size_t own = frame->type == FRAME_REPLY ? READER_OF_REPLY : (size_t)(frame->type - FRAME_FIRST_ORDER);
  if (own < READERS) buffer_say(verdict, good[own] ? "ok" : buffer_text(&problems[own]));
  for (size_t i = 0; i < READERS; i++) buffer_free(&problems[i]);
}

static const char *const kind_names[] = {"nil", "boolean", "unsigned", "text", "binary", "array", "map", "other"};

/* A frame that is not whole asks for more. */
static void check_part(struct bytes part, size_t whole) {
  struct frame ignored;
  size_t missing;
  const char *problem;
  MUST(frame_read(part, &ignored, &missing, &problem) == FRAME_INCOMPLETE && missing > part.length && missing <= whole);
}

/* Goes through a stream as the shim does. `line` may be NULL where nothing is said. */
static void frames_check(struct bytes stream, enum frames_say say, struct buffer *line) {
  struct frame frame;
  size_t size;
  const char *problem = "";
  enum frame_status status;
  while ((status = frame_read(stream, &frame, &size, &problem)) == FRAME_COMPLETE) {
    MUST(size <= stream.length && size >= FRAME_HEADER_BYTES + 4);
    const size_t parts[] = {0, 3, FRAME_HEADER_BYTES, size / 2, size - 1};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) check_part((struct bytes){stream.data, parts[i]}, size);
    struct buffer verdict = {0};
    check_body(&frame, &verdict);
    if (say == FRAMES_SAY_HEADS) {
      buffer_print(line, "%ju", (uintmax_t)frame.type);
      buffer_say(line, " ");
      buffer_print(line, "%ju", (uintmax_t)frame.id);
      buffer_say(line, " ", kind_names[frame.body.kind], "\t");
    }
    if (say == FRAMES_SAY_ORDERS) buffer_say(line, buffer_text(&verdict), "\t");
    buffer_free(&verdict);
    stream.data += size;
    stream.length -= size;
  }
  if (say == FRAMES_SAY_NOTHING) return;
  if (status == FRAME_BROKEN) {
    buffer_say(line, "broken: ", problem);
  } else {
    buffer_say(line, stream.length == 0 ? "end" : "incomplete");
  }
}

void frames_describe(struct bytes stream, struct buffer *line) { frames_check(stream, FRAMES_SAY_HEADS, line); }

void orders_describe(struct bytes stream, struct buffer *line) { frames_check(stream, FRAMES_SAY_ORDERS, line); }

static void check(struct bytes input) { frames_check(input, FRAMES_SAY_NOTHING, NULL); }

static void put_bytes(struct buffer *out, const char *key, size_t length) {
  static const uint8_t bytes[16] = {10, 0, 0, 1};
  msgpack_put_text(out, key);
  msgpack_put_binary(out, (struct bytes){bytes, length});
}

static void put_list(struct buffer *out, const char *key, uint32_t count) {
  msgpack_put_text(out, key);
  msgpack_put_array(out, count);
}

/* The keys of a link of both orders, and `more` others. */
static void begin_native_link(struct buffer *out, uint32_t which, uint32_t more) {
  msgpack_put_map(out, 4 + more);
  msgpack_put_pair(out, "ifName", which == 0 ? "eth0" : "net1");
  msgpack_put_pair(out, "kind", which == 0 ? "bridge" : "macvlan");
  put_bytes(out, "mac", 6);
  msgpack_put_pair(out, "directory", "/var/lib/cni/networks/n");
}

static void append_native_link(struct buffer *out, uint32_t which, uint32_t count) {
  begin_native_link(out, which, 10);
  msgpack_put_pair(out, "backups", "/run/cni/tuning");
  msgpack_put_text(out, "tuning");
  msgpack_put_map(out, 5);
  put_bytes(out, "mac", 6);
  msgpack_put_number(out, "mtu", 1400);
  msgpack_put_number(out, "queueLength", 0);
  msgpack_put_number(out, "flags", 0x100);
  msgpack_put_number(out, "changedFlags", 0x300);
  put_list(out, "settings", 1);
  msgpack_put_map(out, 4);
  msgpack_put_pair(out, "table", "ipv4/conf");
  msgpack_put_pair(out, "name", "arp_notify");
  msgpack_put_pair(out, "value", "1");
  msgpack_put_text(out, "isTuning");
  msgpack_put_boolean(out, which == 0);
  msgpack_put_pair(out, "parent", "br0");
  msgpack_put_number(out, "mtu", 1400);
  msgpack_put_number(out, "mode", which == 0 ? 0 : 4);
  msgpack_put_text(out, "hairpin");
  msgpack_put_boolean(out, which == 0);
  put_list(out, "sets", 1);
  msgpack_put_map(out, 2);
  put_bytes(out, "requested", 4);
  put_list(out, "ranges", count == 0 ? 1 : count);
  for (uint32_t i = 0; i < (count == 0 ? 1 : count); i++) {
    msgpack_put_map(out, 4);
    put_bytes(out, "first", i % 2 == 0 ? 4 : 16);
    put_bytes(out, "last", i % 2 == 0 ? 4 : 16);
    put_bytes(out, "gateway", i % 2 == 0 ? 4 : 16);
    msgpack_put_number(out, "prefix", 24);
  }
  put_list(out, "addresses", count);
  for (uint32_t i = 0; i < count; i++) {
    msgpack_put_map(out, 2);
    put_bytes(out, "address", 16);
    msgpack_put_number(out, "prefix", 64);
  }
  put_list(out, "routes", count);
  for (uint32_t i = 0; i < count; i++) {
    msgpack_put_map(out, 4);
    put_bytes(out, "destination", 4);
    msgpack_put_number(out, "prefix", 0);
    put_bytes(out, "gateway", 4);
    msgpack_put_number(out, "metric", 100);
  }
}

/* One good frame of each kind. */
static void append_frame(struct buffer *out, enum frame_type type, uint32_t gateways) {
  static const uint32_t pairs[] = {[FRAME_EXEC] = 10, [FRAME_LINK_EXISTS] = 2, [FRAME_DEFAULT_ROUTE] = 4, [FRAME_LINK_STATES] = 2,
                                   [FRAME_ATTACH_LINKS] = 3, [FRAME_DETACH_LINKS] = 2};
  size_t begin = frame_begin(out, type, 7, type < FRAME_FIRST_ORDER ? 3 : pairs[type]);
  switch (type) {
    case FRAME_EXEC:
      msgpack_put_pair(out, "plugin", "bridge");
      msgpack_put_pair(out, "path", "/opt/cni/bin:/usr/lib/cni");
      msgpack_put_text(out, "env");
      msgpack_put_map(out, 3);
      msgpack_put_pair(out, "CNI_COMMAND", "ADD");
      msgpack_put_pair(out, "CNI_ARGS", "IgnoreUnknown=true;K8S_POD_NAME=pod-with-a-name-that-is-longer-than-thirty-one-bytes");
      msgpack_put_pair(out, "EMPTY", "");
      msgpack_put_text(out, "stdin");
      msgpack_put_binary(out, bytes_of_text("{}"));
      msgpack_put_number(out, "timeoutMs", 120000);
      msgpack_put_text(out, "absentLink");
      msgpack_put_map(out, 2);
      msgpack_put_pair(out, "netns", "/run/netns/pod");
      msgpack_put_pair(out, "ifName", "net1");
      msgpack_put_pair(out, "fileState", "2049 131 4096 1 2 3 4");
      msgpack_put_text(out, "leftNetns");
      msgpack_put_map(out, 4);
      msgpack_put_pair(out, "bootId", "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e");
      msgpack_put_number(out, "device", 4);
      msgpack_put_number(out, "inode", UINT32_MAX);
      msgpack_put_number(out, "cookie", UINT64_MAX);
      msgpack_put_number(out, "after", 6);
      msgpack_put_text(out, "unknown");
      msgpack_put_array(out, 2);
      msgpack_put_boolean(out, true);
      msgpack_put_unsigned(out, UINT64_MAX);
      break;
    case FRAME_LINK_EXISTS:
      msgpack_put_pair(out, "netns", "/run/netns/pod");
      msgpack_put_pair(out, "ifName", "eth0");
      break;
    case FRAME_DEFAULT_ROUTE:
      msgpack_put_pair(out, "netns", "/run/netns/pod");
      msgpack_put_pair(out, "ifName", "eth0");
      msgpack_put_text(out, "clear");
      msgpack_put_array(out, 2);
      msgpack_put_unsigned(out, 4);
      msgpack_put_unsigned(out, 6);
      msgpack_put_text(out, "add");
      msgpack_put_array(out, gateways);
      for (uint32_t i = 0; i < gateways; i++) msgpack_put_text(out, i % 2 == 0 ? "10.0.0.1" : "fd00::1");
      break;
    case FRAME_LINK_STATES:
      msgpack_put_pair(out, "netns", "/run/netns/pod");
      msgpack_put_text(out, "links");
      msgpack_put_array(out, 2);
      for (uint32_t i = 0; i < 2; i++) {
        msgpack_put_map(out, 2);
        msgpack_put_pair(out, "ifName", i == 0 ? "net1" : "net2");
        msgpack_put_text(out, "addresses");
        msgpack_put_array(out, i * gateways);
        for (uint32_t j = 0; j < i * gateways; j++) msgpack_put_text(out, j % 2 == 0 ? "10.0.0.1" : "fd00::1");
      }
      break;
    case FRAME_ATTACH_LINKS:
      msgpack_put_pair(out, "netns", "/run/netns/pod");
      put_list(out, "plugins", 1);
      msgpack_put_map(out, 3);
      msgpack_put_pair(out, "plugin", "bridge");
      msgpack_put_pair(out, "path", "/opt/cni/bin");
      msgpack_put_pair(out, "fileState", "2049 131 4096 1 2 3 4");
      put_list(out, "links", 2);
      for (uint32_t i = 0; i < 2; i++) append_native_link(out, i, i * gateways);
      break;
    case FRAME_DETACH_LINKS:
      msgpack_put_pair(out, "netns", "/run/netns/pod");
      put_list(out, "links", 2);
      for (uint32_t i = 0; i < 2; i++) begin_native_link(out, i, 0);
      break;
    case FRAME_REPLY:
    case FRAME_HELLO:
    case FRAME_REQUEST:
    case FRAME_DONE:
      msgpack_put_number(out, "exitCode", 1);
      msgpack_put_number(out, "againMs", 1200000);
      msgpack_put_text(out, "stdout");
      msgpack_put_binary(out, bytes_of_text("{\"code\":999}"));
      break;
  }
  frame_end(out, begin);
}

static void seed(struct buffer *out, uint64_t which) {
  static const enum frame_type types[] = {FRAME_EXEC,         FRAME_LINK_EXISTS,  FRAME_DEFAULT_ROUTE, FRAME_LINK_STATES,
                                          FRAME_ATTACH_LINKS, FRAME_DETACH_LINKS, FRAME_REPLY,         FRAME_HELLO};
  static const size_t type_count = sizeof types / sizeof types[0];
  uint32_t gateways = (uint32_t)(which / 50 % (DEFAULT_ROUTE_MAX_GATEWAYS + 3));
  append_frame(out, types[which % type_count], gateways);
  if (which / 5 % 2 == 1) append_frame(out, types[which / 10 % type_count], gateways);
}

/* The first frame's length becomes that of everything. */
static void fit(struct buffer *input) {
  if (input->length >= FRAME_HEADER_BYTES) frame_end(input, 0);
}

const struct target target_frames = {.name = "frames", .seed = seed, .fit = fit, .check = check};
