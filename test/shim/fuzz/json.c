/* Target: the JSON that the shim reads and writes (shim/base/json.c). */
#include "base/json.h"

#include <string.h>

#include "target.h"

static void check(struct bytes text) {
  struct json_wanted wanted[] = {{.key = "cniVersion"}, {.key = "k"}, {.key = ""}};
  json_find(text, wanted, 3);
  for (size_t i = 0; i < 3; i++) {
    struct buffer string = {0};
    if (wanted[i].found && json_read_string(wanted[i].value, &string)) touch(buffer_bytes(&string));
    buffer_free(&string);
  }
  if (json_is_object(text)) {
    static const char around[] = " \t\r\n";
    size_t first = 0, last = text.length;
    while (memchr(around, text.data[first], 4) != NULL) first++;
    while (memchr(around, text.data[last - 1], 4) != NULL) last--;
    MUST(text.data[first] == '{' && last - first >= 2 && text.data[last - 1] == '}');
  }
  if (wanted[1].found) {
    struct bytes value = wanted[1].value;
    uint32_t number;
    struct buffer texts = {0};
    size_t count, ends = 0;
    touch(value);
    MUST(value.length > 0 && value.data >= text.data && value.data + value.length <= text.data + text.length);
    if (json_read_unsigned(value, 600000, &number)) MUST(number <= 600000 && value.data[0] >= '0' && value.data[0] <= '9');
    if (json_read_strings(value, NULL, &texts, &count)) {
      for (size_t i = 0; i < texts.length; i++) ends += texts.data[i] == 0;
      MUST(ends == count && value.data[0] == '[' && value.data[value.length - 1] == ']');
      MUST(texts.length == 0 || texts.data[texts.length - 1] == 0);
    }
    texts.length = 0;
    if (json_read_strings(value, "k", &texts, &count)) {
      MUST(value.data[0] == '[' && value.data[value.length - 1] == ']');
      MUST(texts.length == 0 || texts.data[texts.length - 1] == 0);
    }
    buffer_free(&texts);
  }
  /* Any bytes become a string that can be read again. */
  struct buffer written = {0};
  buffer_say(&written, "{\"k\": ");
  json_append_string(&written, text);
  buffer_say(&written, "}");
  struct json_wanted again = {.key = "k"};
  struct buffer string = {0};
  json_find(buffer_bytes(&written), &again, 1);
  MUST(again.found && json_read_string(again.value, &string));
  buffer_free(&string);
  buffer_free(&written);
}

static const char *const seed_texts[] = {
    "{\"cniVersion\":\"1.0.0\",\"name\":\"a\\u00e4\\ud83d\\ude00\\ud800\",\"k\":{\"k\":[1,2,{\"k\":\"\\\"\"}]},\"\":\"\\/\\b\\f\\n\\r\\t\"}",
    "  { \"k\" : -1.5e9 , \"cniVersion\" : null , \"k\" : \"\xf0\x9f\x98\x80 \xff \xed\xa0\x80\" } ",
    "[[[[{\"cniVersion\":\"x\"}]]]]",
    "{\"k\":\"\\u00e\"",
    "{\"\":\"\\ud83d\\u\"",
    "{\"k\": [\"/a\", \"--b\\n\", \"\" ] , \"cniVersion\":\"1.1.0\"}",
    "{\"k\": [{\"k\":\"c1\",\"ifname\":\"eth0\"}, { \"x\" : [1] , \"K\" : \"c\\u0032\" } ] }",
    "{\"K\":600000}",
};
enum { SEED_TEXTS = sizeof seed_texts / sizeof seed_texts[0] };


static void seed(struct buffer *out, uint64_t which) { buffer_say(out, seed_texts[which % SEED_TEXTS]); }

const struct target target_json = {.name = "json", .seed = seed, .check = check};
