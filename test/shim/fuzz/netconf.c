/* Target: what the shim takes out of the netconf (shim/netconf.c and on_demand/on_demand.c, by shim/base/json.c). */
#include <string.h>

#include "base/json.h"
#include "exec/plugin_path.h"
#include "readers.h"
#include "target.h"

enum { TEXTS = 5 };

static void say_text(struct buffer *line, const char *key, bool is_there, struct bytes value) {
  buffer_say(line, line->length > 1 ? "," : "", "\"", key, "\":");
  if (is_there) {
    json_append_string(line, value);
  } else {
    buffer_say(line, "null");
  }
}

static void say_command(struct bytes document, struct buffer *line) {
  struct bytes value;
  struct buffer texts = {0};
  size_t count = 0;
  buffer_say(line, ",\"daemonCommand\":");
  if (!json_find_value(document, "daemonCommand", &value)) {
    buffer_say(line, "null");
  } else if (!json_read_strings(value, &texts, &count) || count == 0) {
    buffer_say(line, "false");
  } else {
    for (size_t at = 0; at < texts.length;) {
      struct bytes text = bytes_of_text((char *)texts.data + at);
      buffer_say(line, at == 0 ? "[" : ",");
      json_append_string(line, text);
      at += text.length + 1;
    }
    buffer_say(line, "]");
  }
  buffer_free(&texts);
}

static void say_number(struct bytes document, const char *key, uint32_t least, uint32_t most, struct buffer *line) {
  struct bytes value;
  uint32_t number;
  buffer_say(line, ",\"", key, "\":");
  if (!json_find_value(document, key, &value)) {
    buffer_say(line, "null");
  } else if (!json_read_unsigned(value, most, &number) || number < least) {
    buffer_say(line, "false");
  } else {
    buffer_append_unsigned(line, number);
  }
}

void netconf_describe(struct bytes document, struct buffer *line) {
  struct json_wanted wanted[TEXTS] = {{.key = "cniVersion"},
                                      {.key = "daemonSocketDir"},
                                      {.key = "binDir"},
                                      {.key = "cniDir"},
                                      {.key = "delOnDaemonDown"}};
  json_find_strings(document, wanted, TEXTS);
  buffer_say(line, "{");
  for (size_t i = 0; i < TEXTS; i++) {
    say_text(line, wanted[i].key, wanted[i].found, (struct bytes){wanted[i].value.data, wanted[i].value.length});
    buffer_free(&wanted[i].value);
  }
  say_command(document, line);
  say_number(document, "daemonStartTimeoutMs", 1, 600000, line);
  say_number(document, "daemonWaitSeconds", 0, 600, line);
  buffer_say(line, "}");
}

static void seed(struct buffer *out, uint64_t which) {
  static const char *const texts[] = {
      "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"multus\",\"binDir\":\"/opt/cni/bin\",\"BINDIR\":null,\"cniDir\":\"/var/lib/cni/multus\"}",
      "{\"daemonSocketDir\":\"/run/multus\",\"daemonCommand\":[\"/usr/bin/multusd\",\"--config\",\"\\u002f\"],\"daemonStartTimeoutMs\":5000,\"daemonWaitSeconds\":60}",
      "{\"delOnDaemonDown\":\"fail\",\"delegates\":[{\"cniVersion\":\"0.3.1\",\"binDir\":\"/no\"}],\"cniversion\":\"0.4.0\"}",
  };
  buffer_say(out, texts[which % 3]);
}

static void check(struct bytes input) {
  struct buffer lines[3] = {{0}};
  struct plugin_directories directories = {0};
  netconf_describe(input, &lines[0]);
  MUST(lines[0].data[0] == '{' && lines[0].length < 12 * input.length + 200);
  /* What is written down is read as it was, once bytes that are no text are replaced. */
  for (size_t i = 1; i < 3; i++) netconf_describe((struct bytes){lines[i - 1].data, lines[i - 1].length}, &lines[i]);
  bool is_refused = strstr(buffer_text(&lines[0]), ":false") != NULL;
  MUST(is_refused || (lines[1].length == lines[2].length && memcmp(lines[1].data, lines[2].data, lines[1].length) == 0));
  plugin_directories_allow(&directories, input);
  buffer_free(&directories.allowed);
  for (size_t i = 0; i < 3; i++) buffer_free(&lines[i]);
}

const struct target target_netconf = {.name = "netconf", .seed = seed, .check = check};
