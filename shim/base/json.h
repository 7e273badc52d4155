/* The JSON that the shim needs: reads a few values of the netconf, writes strings of an error object. */
#pragma once

#include "base/buffer.h"

/* A top-level key to look for, and its value. */
struct json_wanted {
  const char *key;
  bool found;
  /* Found in the key's own case. */
  bool is_exact;
  /* The key is there with null. */
  bool has_null;
  /* The text of the value, without white space around it. */
  struct bytes value;
};

/* Is this one object, with nothing but white space around it? Checks only that its brackets and quotes are closed. */
bool json_is_object(struct bytes document);

/* Finds values at the top level of an object, by the daemon's rules (checkedNetconfKeys() in src/multus/input/netconf.ts): keys are case-insensitive,
 * a key that is null counts as absent, and of several spellings the exact one counts, else the last one.
 * Does not validate: it stops at malformed text, and keeps the values found before that.
 * (The daemon validates, and says where the text is wrong.) */
void json_find(struct bytes document, struct json_wanted *wanted, size_t count);

/* Reads a string: `text` becomes it, decoded. False if the value is anything else. */
bool json_read_string(struct bytes value, struct buffer *text);

/* Reads an array of strings, or with `key` of objects whose member `key` is one: appends each to `texts`, decoded, followed by a zero byte.
 * False if the value is anything else, or a string contains a zero byte. */
bool json_read_strings(struct bytes value, const char *key, struct buffer *texts, size_t *count);

/* Reads a whole number without sign, fraction and exponent. False if the value is anything else, or more than `max`. */
bool json_read_unsigned(struct bytes value, uint32_t max, uint32_t *number);

/* Appends a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_append_string(struct buffer *out, struct bytes text);
