/* The little JSON that the shim needs: a few strings out of the netconf, and strings of an error object. */
#ifndef MULTUS_JSON_H
#define MULTUS_JSON_H

#include "buffer.h"

/* A top-level key whose value is looked for. */
struct json_wanted {
  const char *key;
  bool found;
  /* The decoded string, UTF-8. */
  struct buffer value;
};

/* Looks through the top level of an object for string values; of equal keys the last one counts.
 * Keys may be in any case, as for the daemon.
 * Does not validate: it stops where the text makes no sense, and what was found before that stays found.
 * (The daemon validates, and says where the text is wrong.) */
void json_find_strings(struct bytes document, struct json_wanted *wanted, size_t count);

/* Appends a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_append_string(struct buffer *out, struct bytes text);

#endif
