/* The little JSON that the shim needs: a few values out of the netconf, and strings of an error object. */
#ifndef MULTUS_JSON_H
#define MULTUS_JSON_H

#include "buffer.h"

/* A top-level key whose value is looked for. */
struct json_wanted {
  const char *key;
  bool found;
  /* Found in the key's own case. */
  bool is_exact;
  /* The decoded string, UTF-8. */
  struct buffer value;
};

/* Is this one object, with nothing but white space around it? What is in it is not looked at, but that its brackets and quotes are closed. */
bool json_is_object(struct bytes document);

/* Looks through the top level of an object for string values. As for the daemon (checkedNetconfKeys() in src/multus/input/netconf.ts), keys may be in any case,
 * one that is null counts as absent, and of those that mean the same the one in the key's own case counts, else the last one.
 * Does not validate: it stops where the text makes no sense, and what was found before that stays found.
 * (The daemon validates, and says where the text is wrong.) */
void json_find_strings(struct bytes document, struct json_wanted *wanted, size_t count);

/* Looks for the value of a top-level key in the same way. `*value` is its text, white space around it not counted. */
bool json_find_value(struct bytes document, const char *key, struct bytes *value);

/* Is the top-level key there, and null wherever it is? */
bool json_is_null(struct bytes document, const char *key);

/* Reads an array of strings: appends each to `texts`, decoded, with a zero byte behind it.
 * False where the value is anything else, or a string has a zero byte in it. */
bool json_read_strings(struct bytes value, struct buffer *texts, size_t *count);

/* Reads an array of objects: appends to `texts` the string that each has as its member `key`, decoded, with a zero byte behind it.
 * False where the value is anything else, or a string has a zero byte in it. */
bool json_read_members(struct bytes value, const char *key, struct buffer *texts);

/* Reads a whole number without sign, fraction and exponent. False where the value is anything else, or more than `max`. */
bool json_read_unsigned(struct bytes value, uint32_t max, uint32_t *number);

/* Appends a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_append_string(struct buffer *out, struct bytes text);

#endif
