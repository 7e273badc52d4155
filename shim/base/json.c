/* The JSON that the shim needs: reads a few values of the netconf, writes strings of an error object. */
#include "base/json.h"

#include <string.h>
#include <strings.h>

static bool is_space(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

static void skip_space(struct bytes *input) {
  while (input->length > 0 && is_space(input->data[0])) bytes_skip(input, 1);
}

/* Takes one expected byte off the front, and the white space before it. */
static bool take_byte(struct bytes *input, uint8_t expected) {
  skip_space(input);
  if (input->length == 0 || input->data[0] != expected) return false;
  bytes_skip(input, 1);
  return true;
}

/* Takes a string off the front; `raw` is the text between its quotes. */
static bool take_string(struct bytes *input, struct bytes *raw) {
  if (!take_byte(input, '"')) return false;
  for (size_t i = 0; i < input->length; i++) {
    if (input->data[i] == '\\') {
      i++;
    } else if (input->data[i] == '"') {
      *raw = (struct bytes){input->data, i};
      bytes_skip(input, i + 1);
      return true;
    }
  }
  return false;
}

/* Takes any value off the front by counting brackets, without recursion. */
static bool skip_value(struct bytes *input) {
  size_t depth = 0;
  struct bytes ignored;
  for (;;) {
    skip_space(input);
    if (input->length == 0) return false;
    uint8_t byte = input->data[0];
    if (byte == '"') {
      if (!take_string(input, &ignored)) return false;
    } else if (byte == '{' || byte == '[') {
      depth++;
      bytes_skip(input, 1);
    } else if (byte == '}' || byte == ']') {
      if (depth == 0) return false;
      depth--;
      bytes_skip(input, 1);
    } else {
      /* Part of a number or word, a comma or a colon. At the top level the value ends at a character that may follow it. */
      if (depth == 0 && (byte == ',' || byte == ':')) return false;
      do {
        bytes_skip(input, 1);
      } while (depth == 0 && input->length > 0 && !is_space(input->data[0]) && input->data[0] != ',' && input->data[0] != '}');
    }
    if (depth == 0) return true;
  }
}

static void append_code_point(struct buffer *out, uint32_t point) {
  if (point < 0x80) {
    buffer_append_byte(out, (uint8_t)point);
    return;
  }
  if (point < 0x800) {
    buffer_append_byte(out, (uint8_t)(0xc0 | point >> 6));
  } else {
    if (point < 0x10000) {
      buffer_append_byte(out, (uint8_t)(0xe0 | point >> 12));
    } else {
      buffer_append_byte(out, (uint8_t)(0xf0 | point >> 18));
      buffer_append_byte(out, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
    }
    buffer_append_byte(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
  }
  buffer_append_byte(out, (uint8_t)(0x80 | (point & 0x3f)));
}

/* The four hexadecimal digits after `\u`, at `at`. */
static bool read_unit(struct bytes raw, size_t at, uint32_t *unit) {
  if (raw.length < at || raw.length - at < 4) return false;
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; i++) {
    uint8_t digit = raw.data[i];
    if (digit >= '0' && digit <= '9') {
      value = value << 4 | (uint32_t)(digit - '0');
    } else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f') {
      value = value << 4 | (uint32_t)((digit | 0x20) - 'a' + 10);
    } else {
      return false;
    }
  }
  *unit = value;
  return true;
}

/* Decodes the text between quotes. A lone surrogate becomes U+FFFD. */
static bool decode(struct bytes raw, struct buffer *out) {
  out->length = 0;
  for (size_t i = 0; i < raw.length; i++) {
    uint8_t byte = raw.data[i];
    if (byte < 0x20) return false;
    if (byte != '\\') {
      buffer_append_byte(out, byte);
      continue;
    }
    if (++i == raw.length) return false;
    /* Each is followed by its meaning. */
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    uint32_t unit, low;
    if (raw.data[i] == 'u') {
      if (!read_unit(raw, i + 1, &unit)) return false;
      i += 4;
      if (unit >= 0xd800 && unit <= 0xdbff && raw.length - i > 2 && raw.data[i + 1] == '\\' && raw.data[i + 2] == 'u' &&
          read_unit(raw, i + 3, &low) && low >= 0xdc00 && low <= 0xdfff) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        i += 6;
      }
      append_code_point(out, unit >= 0xd800 && unit <= 0xdfff ? 0xfffd : unit);
      continue;
    }
    const char *escape = escapes;
    while (escape[0] != 0 && escape[0] != (char)raw.data[i]) escape += 2;
    if (escape[0] == 0) return false;
    buffer_append_byte(out, (uint8_t)escape[1]);
  }
  return true;
}

/* Does a member that is not null count? An exact spelling does; another one only without an exact one. */
static bool counts(struct bytes key, struct json_wanted *wanted) {
  bool is_exact = bytes_equal_text(key, wanted->key);
  if (wanted->is_exact && !is_exact) return false;
  wanted->is_exact = is_exact;
  return true;
}

/* Takes a member off the front of the text between an object's braces. `key` is decoded, `value` the text of the value. */
static bool take_member(struct bytes *members, struct buffer *key, struct bytes *value) {
  struct bytes raw;
  if (!take_string(members, &raw) || !decode(raw, key) || !take_byte(members, ':')) return false;
  skip_space(members);
  *value = *members;
  if (!skip_value(members)) return false;
  value->length -= members->length;
  return true;
}

bool json_is_object(struct bytes document) {
  skip_space(&document);
  if (document.length == 0 || document.data[0] != '{' || !skip_value(&document)) return false;
  bool is_closed = document.data[-1] == '}';
  skip_space(&document);
  return is_closed && document.length == 0;
}

void json_find(struct bytes document, struct json_wanted *wanted, size_t count) {
  struct buffer key = {0};
  struct bytes value;
  if (take_byte(&document, '{')) {
    do {
      if (!take_member(&document, &key, &value)) break;
      for (size_t i = 0; i < count; i++) {
        if (key.length != strlen(wanted[i].key) || (key.length > 0 && strncasecmp((const char *)key.data, wanted[i].key, key.length) != 0)) continue;
        if (bytes_equal_text(value, "null")) {
          wanted[i].has_null = true;
        } else if (counts(buffer_bytes(&key), &wanted[i])) {
          wanted[i].found = true;
          wanted[i].value = value;
        }
      }
    } while (take_byte(&document, ','));
  }
  buffer_free(&key);
}

bool json_read_string(struct bytes value, struct buffer *text) {
  struct bytes raw;
  return take_string(&value, &raw) && decode(raw, text);
}

/* Takes an element off the front of an array's text: a string, or an object whose member `key` is one. */
static bool take_element(struct bytes *array, const char *key, struct buffer *text) {
  struct bytes raw;
  if (key == NULL) return take_string(array, &raw) && decode(raw, text);
  struct json_wanted wanted = {.key = key};
  skip_space(array);
  struct bytes object = *array;
  if (object.length == 0 || object.data[0] != '{' || !skip_value(array)) return false;
  object.length -= array->length;
  json_find(object, &wanted, 1);
  return wanted.found && json_read_string(wanted.value, text);
}

bool json_read_strings(struct bytes value, const char *key, struct buffer *texts, size_t *count) {
  struct buffer text = {0};
  *count = 0;
  bool is_good = take_byte(&value, '[');
  if (is_good && !take_byte(&value, ']')) {
    do {
      is_good = take_element(&value, key, &text) && (text.length == 0 || memchr(text.data, 0, text.length) == NULL);
      if (!is_good) break;
      buffer_append(texts, text.data, text.length);
      buffer_append_byte(texts, 0);
      ++*count;
    } while (take_byte(&value, ','));
    is_good = is_good && take_byte(&value, ']');
  }
  buffer_free(&text);
  return is_good && value.length == 0;
}

bool json_read_unsigned(struct bytes value, uint32_t max, uint32_t *number) {
  uint64_t read = 0;
  if (value.length == 0 || (value.length > 1 && value.data[0] == '0')) return false;
  for (size_t i = 0; i < value.length; i++) {
    if (value.data[i] < '0' || value.data[i] > '9') return false;
    read = read * 10 + (uint64_t)(value.data[i] - '0');
    if (read > max) return false;
  }
  *number = (uint32_t)read;
  return true;
}

/* Length of the UTF-8 sequence at the front of `text`, 0 if there is none (RFC 3629: no surrogates, nothing overlong). */
static size_t sequence_length(struct bytes text) {
  uint8_t first = text.data[0];
  if (first < 0x80) return 1;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.length < length) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((text.data[i] & 0xc0) != 0x80) return 0;
  }
  uint8_t second = text.data[1];
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
      (first == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return length;
}

void json_append_string(struct buffer *out, struct bytes text) {
  buffer_append_byte(out, '"');
  while (text.length > 0) {
    uint8_t byte = text.data[0];
    size_t taken = 1;
    if (byte == '"' || byte == '\\') {
      buffer_print(out, "\\%c", byte);
    } else if (byte == '\n' || byte == '\t') {
      buffer_say(out, byte == '\n' ? "\\n" : "\\t");
    } else if (byte < 0x20) {
      buffer_print(out, "\\u%04x", byte);
    } else if ((taken = sequence_length(text)) > 0) {
      buffer_append(out, text.data, taken);
    } else {
      buffer_say(out, "\\ufffd");
      taken = 1;
    }
    bytes_skip(&text, taken);
  }
  buffer_append_byte(out, '"');
}
