/* Parses and checks the bodies of ATTACH_LINKS and DETACH_LINKS. */
#include "wire/native_order.h"

#include <limits.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/request.h"

enum {
  /* As the kernel has them for Ethernet. */
  MTU_MIN = 68,
  MTU_MAX = 65535,
};

/* Makes room for the elements of an array. False: there are none although there have to be, or too many. */
static bool check_count(const struct field *field, uint64_t least, uint64_t most, struct buffer *problem) {
  return (field->value.number >= least && field->value.number <= most) ||
         problem_say(problem, "`%s` has %s", field->name, field->value.number < least ? "no elements" : "too many elements");
}

typedef bool read_element(struct msgpack_value element, struct native_link *link, struct buffer *problem);

/* Takes the elements of an array that a link has. */
static bool read_array(const struct field *field, uint64_t least, uint64_t most, read_element *read, struct native_link *link, struct buffer *problem) {
  struct msgpack_value elements = field->value, element;
  if (!check_count(field, least, most, problem)) return false;
  while (field->present && msgpack_take(&elements.content, &element)) {
    if (!read(element, link, problem)) return problem_say(problem, " (in `%s`)", field->name);
  }
  return true;
}

/* Reads numbers of 32 bits from consecutive fields. */
static bool read_numbers(const struct field *fields, size_t count, uint32_t *const numbers[], struct buffer *problem) {
  for (size_t i = 0; i < count; i++) {
    if (fields[i].value.number > UINT32_MAX) return problem_say(problem, "`%s` is larger than 32 bits", fields[i].name);
    *numbers[i] = (uint32_t)fields[i].value.number;
  }
  return true;
}

static bool read_address(const struct field *field, struct ip_address *address, struct buffer *problem) {
  struct bytes content = field->value.content;
  *address = (struct ip_address){0};
  return !field->present || ip_address_take(content.length == sizeof(struct in_addr) ? AF_INET : AF_INET6, content, address) ||
         problem_say(problem, "`%s` is not an address of 4 or 16 bytes", field->name);
}

/* The second may be missing. */
static bool check_family(const struct ip_address *first, const struct ip_address *second, struct buffer *problem) {
  return second->length == 0 || first->length == second->length || problem_say(problem, "addresses are of different families");
}

static bool read_prefix(const struct field *field, const struct ip_address *address, uint8_t *prefix, struct buffer *problem) {
  *prefix = (uint8_t)field->value.number;
  return field->value.number <= address->length * 8U || problem_say(problem, "`prefix` is too long");
}

static bool read_range(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {
      {.name = "first", .kind = MSGPACK_BINARY},
      {.name = "last", .kind = MSGPACK_BINARY},
      {.name = "gateway", .kind = MSGPACK_BINARY, .optional = true},
      {.name = "prefix", .kind = MSGPACK_UNSIGNED},
  };
  struct native_range range = {.set = link->set_count};
  static const uint8_t zeros[10];
  if (!fields_read(element, fields, COUNT_OF(fields), problem) || !read_address(&fields[0], &range.first, problem) ||
      !read_address(&fields[1], &range.last, problem) || !read_address(&fields[2], &range.gateway.address, problem) ||
      !check_family(&range.first, &range.last, problem) || !check_family(&range.first, &range.gateway.address, problem) ||
      !read_prefix(&fields[3], &range.first, &range.prefix, problem)) {
    return false;
  }
  if (memcmp(range.first.bytes, range.last.bytes, range.first.length) > 0) return problem_say(problem, "`first` is behind `last`");
  /* Go writes these addresses, which hold IPv4 ones, otherwise than the C library. */
  bool is_mapped = range.first.family == AF_INET6 && memcmp(range.first.bytes, zeros, sizeof zeros) == 0;
  buffer_append(&link->ranges, &range, sizeof range);
  return !is_mapped || problem_say(problem, "`first` is an IPv6 address that holds an IPv4 address");
}

static bool read_set(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {{.name = "requested", .kind = MSGPACK_BINARY, .optional = true}, {.name = "ranges", .kind = MSGPACK_ARRAY}};
  bool is_good = fields_read(element, fields, COUNT_OF(fields), problem) && read_address(&fields[0], &link->requested[link->set_count], problem) &&
                 read_array(&fields[1], 1, NATIVE_MAX_RANGES, read_range, link, problem);
  link->set_count++;
  return is_good;
}

static bool read_own_address(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {
      {.name = "address", .kind = MSGPACK_BINARY},
      {.name = "prefix", .kind = MSGPACK_UNSIGNED},
      {.name = "gateway", .kind = MSGPACK_BINARY, .optional = true},
  };
  struct native_address own = {0};
  bool is_good = fields_read(element, fields, COUNT_OF(fields), problem) && read_address(&fields[0], &own.address, problem) &&
                 read_prefix(&fields[1], &own.address, &own.prefix, problem) && read_address(&fields[2], &own.gateway.address, problem) &&
                 check_family(&own.address, &own.gateway.address, problem);
  if (is_good) buffer_append(&link->addresses, &own, sizeof own);
  return is_good;
}

static bool read_route(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {
      {.name = "destination", .kind = MSGPACK_BINARY},
      {.name = "prefix", .kind = MSGPACK_UNSIGNED},
      {.name = "gateway", .kind = MSGPACK_BINARY, .optional = true},
      {.name = "metric", .kind = MSGPACK_UNSIGNED, .optional = true},
  };
  struct link_route route = {0};
  bool is_good = fields_read(element, fields, COUNT_OF(fields), problem) && read_address(&fields[0], &route.destination, problem) &&
                 read_prefix(&fields[1], &route.destination, &route.prefix, problem) && read_address(&fields[2], &route.gateway, problem) &&
                 check_family(&route.destination, &route.gateway, problem) &&
                 read_numbers(&fields[3], 1, (uint32_t *const[]){&route.metric}, problem);
  if (is_good) buffer_append(&link->routes, &route, sizeof route);
  return is_good;
}

/* Copies a text that has to be neither empty nor too long for it. */
static bool read_text(const struct field *field, char *text, size_t size, struct buffer *problem) {
  struct bytes content = field->value.content;
  if (content.length == 0 || content.length >= size) return problem_say(problem, "`%s` is empty, or too long", field->name);
  memcpy(text, content.data, content.length);
  return true;
}

/* The index of the text in `texts`; their number: it is none of them. */
static size_t place_of(const struct field *field, const char *const *texts, size_t count) {
  size_t place = 0;
  while (place < count && !bytes_equal_text(field->value.content, texts[place])) place++;
  return place;
}

/* Is it one that other plugins than tuning make? A node may have a list of those that tuning may make. */
static bool is_without_tuning(const struct native_setting *setting) {
  static const char *const own[] = {
      "ipv4/conf/arp_notify=1",   "ipv6/conf/accept_dad=0",        "ipv6/conf/accept_dad=1",  "ipv6/conf/disable_ipv6=0",
      "ipv6/conf/enhanced_dad=1", "ipv6/conf/keep_addr_on_down=1", "ipv6/conf/ndisc_notify=1",
  };
  struct buffer text = {0};
  size_t place = 0;
  buffer_say(&text, setting->table, "/", setting->name, "=", setting->value);
  while (place < COUNT_OF(own) && !bytes_equal_text(buffer_bytes(&text), own[place])) place++;
  buffer_free(&text);
  return place < COUNT_OF(own);
}

/* Reads a setting of the link itself: its path has a table, the link's name, and one more name. */
static bool read_setting(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  static const char *const tables[] = {"ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"};
  struct field fields[] = {
      {.name = "table", .kind = MSGPACK_TEXT},
      {.name = "name", .kind = MSGPACK_TEXT},
      {.name = "value", .kind = MSGPACK_TEXT},
      {.name = "isTuning", .kind = MSGPACK_BOOLEAN, .optional = true},
  };
  struct native_setting setting = {0};
  if (!fields_read(element, fields, COUNT_OF(fields), problem)) return false;
  size_t table = place_of(&fields[0], tables, COUNT_OF(tables));
  if (table == COUNT_OF(tables)) return problem_say(problem, "`table` has no settings of a link");
  setting.table = tables[table];
  setting.is_tuning = fields[3].value.number != 0;
  if (!read_text(&fields[1], setting.name, sizeof setting.name, problem) || !read_text(&fields[2], setting.value, sizeof setting.value, problem)) return false;
  if (setting.name[strspn(setting.name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0') return problem_say(problem, "`name` is not that of a setting");
  if (!setting.is_tuning && !is_without_tuning(&setting)) return problem_say(problem, "`%s` is a setting that only tuning makes", setting.name);
  buffer_append(&link->settings, &setting, sizeof setting);
  return true;
}

/* Reads a name that the kernel takes unchanged, and that is no directory of settings for all links. */
static bool read_name(const struct field *field, char name[IFNAMSIZ], struct buffer *problem) {
  struct bytes content = field->value.content;
  if (content.length < IFNAMSIZ && content.length > 0) memcpy(name, content.data, content.length);
  bool is_name = content.length < IFNAMSIZ && request_is_if_name(name) && strcmp(name, "all") != 0 && strcmp(name, "default") != 0;
  return is_name || problem_say(problem, "`%s` is not the name of an interface", field->name);
}

/* An absolute path without empty components, `.` and `..`. */
static bool read_directory(const struct field *field, struct bytes *directory, struct buffer *problem) {
  struct bytes path = *directory = field->value.content;
  if (!field->present) return true;
  bool is_good = path.length > 1 && path.length < PATH_MAX && path.data[0] == '/';
  while (is_good && path.length > 0) {
    bytes_skip(&path, 1);
    const uint8_t *slash = path.length == 0 ? NULL : memchr(path.data, '/', path.length);
    struct bytes part = {path.data, slash == NULL ? path.length : (size_t)(slash - path.data)};
    is_good = part.length > 0 && !bytes_equal_text(part, ".") && !bytes_equal_text(part, "..");
    bytes_skip(&path, part.length);
  }
  return is_good || problem_say(problem, "`%s` is not an absolute path without `.`, `..` and empty components", field->name);
}

static bool read_mac(const struct field *field, struct bytes *mac, struct buffer *problem) {
  *mac = field->value.content;
  return !field->present || mac->length == LINK_MAC_BYTES || problem_say(problem, "`%s` is not 6 bytes long", field->name);
}

static bool check_mtu(uint32_t mtu, struct buffer *problem) {
  return mtu == 0 || (mtu >= MTU_MIN && mtu <= MTU_MAX) || problem_say(problem, "`mtu` is not 0, or 68 to 65535");
}

/* By native_kind: the names of the plugins. */
static const char *const kinds[] = {[NATIVE_BRIDGE] = "bridge", [NATIVE_MACVLAN] = "macvlan", [NATIVE_PTP] = "ptp"};

/* Reads what links of both orders have. */
static bool read_link(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {
      {.name = "ifName", .kind = MSGPACK_TEXT},
      {.name = "kind", .kind = MSGPACK_TEXT},
      {.name = "mac", .kind = MSGPACK_BINARY, .optional = true},
      {.name = "directory", .kind = MSGPACK_TEXT, .optional = true},
      {.name = "backups", .kind = MSGPACK_TEXT, .optional = true},
  };
  if (!fields_read(element, fields, COUNT_OF(fields), problem) || !read_name(&fields[0], link->name, problem)) return false;
  size_t kind = place_of(&fields[1], kinds, COUNT_OF(kinds));
  if (kind == COUNT_OF(kinds)) return problem_say(problem, "`kind` is none of bridge, macvlan and ptp");
  link->kind = (enum native_kind)kind;
  return read_mac(&fields[2], &link->mac, problem) && read_directory(&fields[3], &link->directory, problem) &&
         read_directory(&fields[4], &link->backups, problem);
}

/* Reads what the plugin tuning changes of a link. */
static bool read_tuning(const struct field *field, struct native_link *link, struct buffer *problem) {
  struct link_change *tuning = &link->tuning;
  struct field fields[] = {
      {.name = "mac", .kind = MSGPACK_BINARY, .optional = true},
      {.name = "mtu", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "queueLength", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "flags", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "changedFlags", .kind = MSGPACK_UNSIGNED, .optional = true},
  };
  uint32_t *const numbers[] = {&tuning->mtu, &tuning->queue_length, &tuning->flags, &tuning->changed_flags};
  link->is_tuned = field->present;
  if (!field->present) return true;
  if (!fields_read(field->value, fields, COUNT_OF(fields), problem) || !read_mac(&fields[0], &tuning->mac, problem) ||
      !read_numbers(&fields[1], COUNT_OF(numbers), numbers, problem) || !check_mtu(tuning->mtu, problem)) {
    return problem_say(problem, " (in `tuning`)");
  }
  tuning->has_queue_length = fields[2].present;
  bool is_changed = tuning->mac.length > 0 || tuning->mtu != 0 || tuning->has_queue_length || tuning->changed_flags != 0;
  if (is_changed != (link->backups.length > 0)) return problem_say(problem, "`backups` is missing, or there is nothing to keep");
  bool is_good = (tuning->changed_flags & ~(uint32_t)(IFF_PROMISC | IFF_ALLMULTI)) == 0 && (tuning->flags & ~tuning->changed_flags) == 0;
  return is_good || problem_say(problem, "`flags` has others than those of promiscuous mode and all multicast");
}

static bool check_kind(const struct native_link *link, struct buffer *problem) {
  bool is_port = link->hairpin || link->isolated || link->promiscuous || link->is_gateway;
  bool is_macvlan = link->mode != 0 || link->queue_length != 0;
  bool has_mode = link->mode == MACVLAN_MODE_PRIVATE || link->mode == MACVLAN_MODE_VEPA || link->mode == MACVLAN_MODE_BRIDGE ||
                  link->mode == MACVLAN_MODE_PASSTHRU;
  bool is_alone = link->parent[0] == '\0';
  if (is_alone && link->kind != NATIVE_PTP) return problem_say(problem, "`parent` is missing");
  if ((is_port && link->kind != NATIVE_BRIDGE) || (is_macvlan && link->kind != NATIVE_MACVLAN) || (!is_alone && link->kind == NATIVE_PTP)) {
    return problem_say(problem, "a key is not one of its kind");
  }
  if (link->kind == NATIVE_MACVLAN && !has_mode) return problem_say(problem, "`mode` is none of a macvlan");
  return link->set_count == 0 || link->directory.length > 0 || problem_say(problem, "`directory` is missing");
}

static bool read_new_link(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {
      {.name = "parent", .kind = MSGPACK_TEXT, .optional = true},
      {.name = "sets", .kind = MSGPACK_ARRAY},
      {.name = "addresses", .kind = MSGPACK_ARRAY},
      {.name = "routes", .kind = MSGPACK_ARRAY},
      {.name = "settings", .kind = MSGPACK_ARRAY, .optional = true},
      {.name = "tuning", .kind = MSGPACK_MAP, .optional = true},
      {.name = "mtu", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "mode", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "queueLength", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "hairpin", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "isolated", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "promiscuous", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "isGateway", .kind = MSGPACK_BOOLEAN, .optional = true},
  };
  uint32_t *const numbers[] = {&link->mtu, &link->mode, &link->queue_length};
  bool *const flags[] = {&link->hairpin, &link->isolated, &link->promiscuous, &link->is_gateway};
  if (!read_link(element, link, problem) || !fields_read(element, fields, COUNT_OF(fields), problem)) return false;
  for (size_t i = 0; i < COUNT_OF(flags); i++) *flags[i] = fields[9 + i].value.number != 0;
  return (!fields[0].present || read_name(&fields[0], link->parent, problem)) &&
         read_array(&fields[1], 0, NATIVE_MAX_SETS, read_set, link, problem) &&
         read_array(&fields[2], 0, NATIVE_MAX_ADDRESSES, read_own_address, link, problem) &&
         read_array(&fields[3], 0, NATIVE_MAX_ROUTES, read_route, link, problem) &&
         read_array(&fields[4], 0, NATIVE_MAX_SETTINGS, read_setting, link, problem) && read_tuning(&fields[5], link, problem) &&
         read_numbers(&fields[6], COUNT_OF(numbers), numbers, problem) && check_mtu(link->mtu, problem) && check_kind(link, problem);
}

static bool read_links(struct msgpack_value body, struct native_links *links, bool is_attach, struct buffer *problem) {
  struct field fields[] = {{.name = "netns", .kind = MSGPACK_TEXT}, {.name = "links", .kind = MSGPACK_ARRAY}};
  struct msgpack_value element;
  if (!fields_read(body, fields, COUNT_OF(fields), problem) || !check_count(&fields[1], 1, NATIVE_MAX_LINKS, problem)) return false;
  links->netns = fields[0].value.content;
  if (is_attach && links->netns.length == 0) return problem_say(problem, "`netns` is empty");
  links->list = memory_take(fields[1].value.number * sizeof links->list[0]);
  while (msgpack_take(&fields[1].value.content, &element)) {
    struct native_link *link = &links->list[links->count++];
    *link = (struct native_link){.directory_fd = -1};
    if (!(is_attach ? read_new_link : read_link)(element, link, problem)) return problem_say(problem, " (in `links`)");
    for (size_t i = 0; i + 1 < links->count; i++) {
      if (strcmp(links->list[i].name, link->name) == 0) return problem_say(problem, "`links` has two of a name");
    }
  }
  return true;
}

/* Does the order name the plugins of which a link is the work? Only those that are installed may make one. */
static bool check_named(const struct native_link *link, const struct order_plugins *plugins, struct buffer *problem) {
  const char *const makers[] = {
      kinds[link->kind],
      link->set_count > 0 ? "host-local" : NULL,
      link->addresses.length > 0 ? "static" : NULL,
      link->is_tuned ? "tuning" : NULL,
  };
  for (size_t i = 0; i < COUNT_OF(makers); i++) {
    size_t place = 0;
    while (makers[i] != NULL && place < plugins->count && !bytes_equal_text(plugins->list[place].plugin, makers[i])) place++;
    if (makers[i] != NULL && place == plugins->count) return problem_say(problem, "`plugins` does not have %s, of which %s is the work", makers[i], link->name);
  }
  return true;
}

bool order_read_attach_links(struct msgpack_value body, struct native_links *links, struct order_plugins *plugins, struct buffer *problem) {
  struct field list[] = {{.name = "plugins", .kind = MSGPACK_ARRAY}};
  struct msgpack_value element;
  *plugins = (struct order_plugins){0};
  if (!read_links(body, links, true, problem) || !fields_read(body, list, COUNT_OF(list), problem) ||
      !check_count(&list[0], 1, NATIVE_MAX_PLUGINS, problem)) {
    return false;
  }
  while (msgpack_take(&list[0].value.content, &element)) {
    struct field fields[] = {
        {.name = "plugin", .kind = MSGPACK_TEXT}, {.name = "path", .kind = MSGPACK_TEXT}, {.name = "fileState", .kind = MSGPACK_TEXT}};
    if (!fields_read(element, fields, COUNT_OF(fields), problem)) return problem_say(problem, " (in `plugins`)");
    plugins->list[plugins->count++] = (struct order_plugin){fields[0].value.content, fields[1].value.content, fields[2].value.content};
  }
  for (size_t i = 0; i < links->count; i++) {
    if (!check_named(&links->list[i], plugins, problem)) return false;
  }
  return true;
}

bool order_read_detach_links(struct msgpack_value body, struct native_links *links, struct buffer *problem) {
  return read_links(body, links, false, problem);
}
