/* Target: what the shim takes out of the netconf (shim/netconf.c, by shim/base/json.c). */
#include <string.h>

#include "base/json.h"
#include "exec/plugin_path.h"
#include "readers.h"
#include "target.h"

enum { TEXTS = 5 };

/* The text of a key, or null. */
static void say_text(struct buffer *line, const struct json_wanted *wanted) {
  struct buffer text = {0};
  buffer_say(line, line->length > 1 ? "," : "", "\"", wanted->key, "\":");
  if (wanted->found && json_read_string(wanted->value, &text)) {
    json_append_string(line, buffer_bytes(&text));
  } else {
    buffer_say(line, "null");
  }
  buffer_free(&text);
}

static void say_command(const struct json_wanted *wanted, struct buffer *line) {
  struct buffer texts = {0};
  size_t count = 0;
  buffer_say(line, ",\"daemonCommand\":");
  /* An empty string is an unset key. */
  if (!wanted->found || bytes_equal_text(wanted->value, "\"\"")) {
    buffer_say(line, "null");
  } else if (!json_read_strings(wanted->value, NULL, &texts, &count) || count == 0) {
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

static void say_number(const struct json_wanted *wanted, uint32_t least, uint32_t most, struct buffer *line) {
  uint32_t number;
  buffer_say(line, ",\"", wanted->key, "\":");
  if (!wanted->found) {
    buffer_say(line, "null");
  } else if (!json_read_unsigned(wanted->value, most, &number) || number < least) {
    buffer_say(line, "false");
  } else {
    buffer_print(line, "%u", number);
  }
}

void netconf_describe(struct bytes document, struct buffer *line) {
  struct json_wanted wanted[TEXTS + 3] = {{.key = "cniVersion"},      {.key = "daemonSocketDir"}, {.key = "binDir"},
                                          {.key = "cniDir"},          {.key = "delOnDaemonDown"}, {.key = "daemonCommand"},
                                          {.key = "daemonStartTimeoutMs"}, {.key = "daemonWaitSeconds"}};
  json_find(document, wanted, COUNT_OF(wanted));
  buffer_say(line, "{");
  for (size_t i = 0; i < TEXTS; i++) say_text(line, &wanted[i]);
  say_command(&wanted[TEXTS], line);
  say_number(&wanted[TEXTS + 1], 1, 600000, line);
  say_number(&wanted[TEXTS + 2], 0, 600, line);
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
  /* A description is read as it was written, once bytes that are no text are replaced. */
  for (size_t i = 1; i < 3; i++) netconf_describe((struct bytes){lines[i - 1].data, lines[i - 1].length}, &lines[i]);
  bool is_refused = strstr(buffer_text(&lines[0]), ":false") != NULL;
  MUST(is_refused || (lines[1].length == lines[2].length && memcmp(lines[1].data, lines[2].data, lines[1].length) == 0));
  plugin_directories_allow(&directories, input);
  buffer_free(&directories.allowed);
  for (size_t i = 0; i < 3; i++) buffer_free(&lines[i]);
}

const struct target target_netconf = {.name = "netconf", .seed = seed, .check = check};
