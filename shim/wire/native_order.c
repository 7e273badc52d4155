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

static bool read_range(struct msgpack_value element, struct native_link *link, size_t set, struct buffer *problem) {
  struct field fields[] = {
      {.name = "first", .kind = MSGPACK_BINARY},
      {.name = "last", .kind = MSGPACK_BINARY},
      {.name = "gateway", .kind = MSGPACK_BINARY, .optional = true},
      {.name = "prefix", .kind = MSGPACK_UNSIGNED},
  };
  struct native_range range = {.set = set};
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

static bool read_set(struct msgpack_value element, struct native_link *link, size_t set, struct buffer *problem) {
  struct field fields[] = {{.name = "requested", .kind = MSGPACK_BINARY, .optional = true}, {.name = "ranges", .kind = MSGPACK_ARRAY}};
  struct msgpack_value range;
  if (!fields_read(element, fields, COUNT_OF(fields), problem) || !read_address(&fields[0], &link->requested[set], problem) ||
      !check_count(&fields[1], 1, NATIVE_MAX_RANGES, problem)) {
    return false;
  }
  while (msgpack_take(&fields[1].value.content, &range)) {
    if (!read_range(range, link, set, problem)) return problem_say(problem, " (in `ranges`)");
  }
  return true;
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
  struct native_route route = {0};
  bool is_good = fields_read(element, fields, COUNT_OF(fields), problem) && read_address(&fields[0], &route.destination, problem) &&
                 read_prefix(&fields[1], &route.destination, &route.prefix, problem) && read_address(&fields[2], &route.gateway, problem) &&
                 check_family(&route.destination, &route.gateway, problem) &&
                 (fields[3].value.number <= UINT32_MAX || problem_say(problem, "`metric` is larger than 32 bits"));
  route.metric = (uint32_t)fields[3].value.number;
  if (is_good) buffer_append(&link->routes, &route, sizeof route);
  return is_good;
}

/* Reads a name that the kernel takes unchanged, and that is no directory of settings for all links. */
static bool read_name(const struct field *field, char name[IFNAMSIZ], struct buffer *problem) {
  struct bytes content = field->value.content;
  if (content.length < IFNAMSIZ && content.length > 0) memcpy(name, content.data, content.length);
  bool is_name = content.length < IFNAMSIZ && request_is_if_name(name) && strcmp(name, "all") != 0 && strcmp(name, "default") != 0;
  return is_name || problem_say(problem, "`%s` is not the name of an interface", field->name);
}

/* An absolute path without empty components, `.` and `..`. */
static bool check_directory(struct bytes path, struct buffer *problem) {
  bool is_good = path.length > 1 && path.length < PATH_MAX && path.data[0] == '/';
  while (is_good && path.length > 0) {
    bytes_skip(&path, 1);
    const uint8_t *slash = path.length == 0 ? NULL : memchr(path.data, '/', path.length);
    struct bytes part = {path.data, slash == NULL ? path.length : (size_t)(slash - path.data)};
    is_good = part.length > 0 && !bytes_equal_text(part, ".") && !bytes_equal_text(part, "..");
    bytes_skip(&path, part.length);
  }
  return is_good || problem_say(problem, "`directory` is not an absolute path without `.`, `..` and empty components");
}

/* Reads what links of both orders have. */
static bool read_link(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {
      {.name = "ifName", .kind = MSGPACK_TEXT},
      {.name = "kind", .kind = MSGPACK_TEXT},
      {.name = "mac", .kind = MSGPACK_BINARY, .optional = true},
      {.name = "directory", .kind = MSGPACK_TEXT, .optional = true},
  };
  if (!fields_read(element, fields, COUNT_OF(fields), problem) || !read_name(&fields[0], link->name, problem)) return false;
  link->is_bridge = bytes_equal_text(fields[1].value.content, "bridge");
  if (!link->is_bridge && !bytes_equal_text(fields[1].value.content, "macvlan")) return problem_say(problem, "`kind` is neither bridge nor macvlan");
  link->mac = fields[2].value.content;
  if (fields[2].present && link->mac.length != NATIVE_MAC_BYTES) return problem_say(problem, "`mac` is not 6 bytes long");
  link->directory = fields[3].value.content;
  return !fields[3].present || check_directory(link->directory, problem);
}

static bool check_kind(const struct native_link *link, struct buffer *problem) {
  if (link->mtu != 0 && (link->mtu < MTU_MIN || link->mtu > MTU_MAX)) return problem_say(problem, "`mtu` is not 0, or 68 to 65535");
  bool is_port = link->hairpin || link->isolated || link->promiscuous || link->detects_duplicates || link->is_gateway;
  bool has_mode = link->mode == MACVLAN_MODE_PRIVATE || link->mode == MACVLAN_MODE_VEPA || link->mode == MACVLAN_MODE_BRIDGE ||
                  link->mode == MACVLAN_MODE_PASSTHRU;
  if (link->is_bridge ? link->mode != 0 || link->queue_length != 0 : is_port) return problem_say(problem, "a key is not one of its kind");
  if (!link->is_bridge && !has_mode) return problem_say(problem, "`mode` is none of a macvlan");
  return link->set_count == 0 || link->directory.length > 0 || problem_say(problem, "`directory` is missing");
}

static bool read_new_link(struct msgpack_value element, struct native_link *link, struct buffer *problem) {
  struct field fields[] = {
      {.name = "parent", .kind = MSGPACK_TEXT},
      {.name = "sets", .kind = MSGPACK_ARRAY},
      {.name = "addresses", .kind = MSGPACK_ARRAY},
      {.name = "routes", .kind = MSGPACK_ARRAY},
      {.name = "mtu", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "mode", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "queueLength", .kind = MSGPACK_UNSIGNED, .optional = true},
      {.name = "hairpin", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "isolated", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "promiscuous", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "detectDuplicates", .kind = MSGPACK_BOOLEAN, .optional = true},
      {.name = "isGateway", .kind = MSGPACK_BOOLEAN, .optional = true},
  };
  uint32_t *const numbers[] = {&link->mtu, &link->mode, &link->queue_length};
  bool *const flags[] = {&link->hairpin, &link->isolated, &link->promiscuous, &link->detects_duplicates, &link->is_gateway};
  if (!read_link(element, link, problem) || !fields_read(element, fields, COUNT_OF(fields), problem) ||
      !read_name(&fields[0], link->parent, problem) || !check_count(&fields[1], 0, NATIVE_MAX_SETS, problem) ||
      !check_count(&fields[2], 0, NATIVE_MAX_ADDRESSES, problem) || !check_count(&fields[3], 0, NATIVE_MAX_ROUTES, problem)) {
    return false;
  }
  for (size_t i = 0; i < COUNT_OF(numbers); i++) {
    if (fields[4 + i].value.number > UINT32_MAX) return problem_say(problem, "`%s` is larger than 32 bits", fields[4 + i].name);
    *numbers[i] = (uint32_t)fields[4 + i].value.number;
  }
  for (size_t i = 0; i < COUNT_OF(flags); i++) *flags[i] = fields[4 + COUNT_OF(numbers) + i].value.number != 0;
  struct msgpack_value value;
  while (msgpack_take(&fields[1].value.content, &value)) {
    if (!read_set(value, link, link->set_count, problem)) return problem_say(problem, " (in `sets`)");
    link->set_count++;
  }
  while (msgpack_take(&fields[2].value.content, &value)) {
    if (!read_own_address(value, link, problem)) return problem_say(problem, " (in `addresses`)");
  }
  while (msgpack_take(&fields[3].value.content, &value)) {
    if (!read_route(value, link, problem)) return problem_say(problem, " (in `routes`)");
  }
  return check_kind(link, problem);
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
  return true;
}

bool order_read_detach_links(struct msgpack_value body, struct native_links *links, struct buffer *problem) {
  return read_links(body, links, false, problem);
}
