/* The JSON that the shim needs: reads a few values of the netconf, writes strings of an error object. */
#include "base/json.h"

#include <string.h>
#include <strings.h>

static bool is_space(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

static void skip_space(struct bytes *input) {
  while (input->length > 0 && is_space(input->data[0])) {
    input->data++;
    input->length--;
  }
}

/* Takes one expected byte off the front, and the white space before it. */
static bool take_byte(struct bytes *input, uint8_t expected) {
  skip_space(input);
  if (input->length == 0 || input->data[0] != expected) return false;
  input->data++;
  input->length--;
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
      input->data += i + 1;
      input->length -= i + 1;
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
      input->data++;
      input->length--;
    } else if (byte == '}' || byte == ']') {
      if (depth == 0) return false;
      depth--;
      input->data++;
      input->length--;
    } else {
      /* Part of a number or word, a comma or a colon. At the top level the value ends at a character that may follow it. */
      if (depth == 0 && (byte == ',' || byte == ':')) return false;
      do {
        input->data++;
        input->length--;
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
    uint32_t unit, low;
    switch (raw.data[i]) {
      case '"':
      case '\\':
      case '/':
        buffer_append_byte(out, raw.data[i]);
        break;
      case 'b':
        buffer_append_byte(out, '\b');
        break;
      case 'f':
        buffer_append_byte(out, '\f');
        break;
      case 'n':
        buffer_append_byte(out, '\n');
        break;
      case 'r':
        buffer_append_byte(out, '\r');
        break;
      case 't':
        buffer_append_byte(out, '\t');
        break;
      case 'u':
        if (!read_unit(raw, i + 1, &unit)) return false;
        i += 4;
        if (unit >= 0xd800 && unit <= 0xdbff && raw.length - i > 2 && raw.data[i + 1] == '\\' && raw.data[i + 2] == 'u' &&
            read_unit(raw, i + 3, &low) && low >= 0xdc00 && low <= 0xdfff) {
          unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
          i += 6;
        }
        append_code_point(out, unit >= 0xd800 && unit <= 0xdfff ? 0xfffd : unit);
        break;
      default:
        return false;
    }
  }
  return true;
}

static bool is_key(const struct buffer *key, const char *wanted) {
  return key->length == strlen(wanted) && (key->length == 0 || strncasecmp((const char *)key->data, wanted, key->length) == 0);
}

/* Does a member count? An exact spelling does; another one only without an exact one. `is_exact`: was the last member that counted exact? */
static bool counts(const struct buffer *key, const char *wanted, bool *is_exact) {
  if (!is_key(key, wanted)) return false;
  bool is_same = key->length == 0 || memcmp(key->data, wanted, key->length) == 0;
  if (*is_exact && !is_same) return false;
  *is_exact = is_same;
  return true;
}

static bool is_null(struct bytes value) { return bytes_equal_text(value, "null"); }

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

void json_find_strings(struct bytes document, struct json_wanted *wanted, size_t count) {
  struct buffer key = {0};
  struct bytes value, raw;
  if (take_byte(&document, '{')) {
    do {
      if (!take_member(&document, &key, &value)) break;
      for (size_t i = 0; i < count; i++) {
        if (is_null(value) || !counts(&key, wanted[i].key, &wanted[i].is_exact)) continue;
        struct bytes rest = value;
        wanted[i].found = take_string(&rest, &raw) && decode(raw, &wanted[i].value);
      }
    } while (take_byte(&document, ','));
  }
  buffer_free(&key);
}

/* The value of the member that counts, among those that are null or those that are not. */
static bool find_last(struct bytes document, const char *key, bool null, struct bytes *value) {
  struct buffer found = {0};
  struct bytes candidate;
  bool is_there = false, is_exact = false;
  if (take_byte(&document, '{')) {
    while (take_member(&document, &found, &candidate)) {
      if (is_null(candidate) == null && counts(&found, key, &is_exact)) {
        is_there = true;
        *value = candidate;
      }
      if (!take_byte(&document, ',')) break;
    }
  }
  buffer_free(&found);
  return is_there;
}

bool json_find_value(struct bytes document, const char *key, struct bytes *value) { return find_last(document, key, false, value); }

bool json_is_null(struct bytes document, const char *key) {
  struct bytes value;
  return find_last(document, key, true, &value) && !find_last(document, key, false, &value);
}

bool json_read_strings(struct bytes value, struct buffer *texts, size_t *count) {
  struct buffer text = {0};
  struct bytes raw;
  *count = 0;
  bool is_good = take_byte(&value, '[');
  if (is_good && !take_byte(&value, ']')) {
    do {
      is_good = take_string(&value, &raw) && decode(raw, &text) && (text.length == 0 || memchr(text.data, 0, text.length) == NULL);
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

bool json_read_members(struct bytes value, const char *key, struct buffer *texts) {
  struct json_wanted wanted = {.key = key};
  bool is_good = take_byte(&value, '[');
  if (is_good && !take_byte(&value, ']')) {
    do {
      struct bytes object = value;
      skip_space(&object);
      is_good = object.length > 0 && object.data[0] == '{' && skip_value(&value);
      if (!is_good) break;
      object.length -= value.length;
      wanted.found = false;
      wanted.is_exact = false;
      wanted.value.length = 0;
      json_find_strings(object, &wanted, 1);
      is_good = wanted.found && (wanted.value.length == 0 || memchr(wanted.value.data, 0, wanted.value.length) == NULL);
      if (!is_good) break;
      buffer_append(texts, wanted.value.data, wanted.value.length);
      buffer_append_byte(texts, 0);
    } while (take_byte(&value, ','));
    is_good = is_good && take_byte(&value, ']');
  }
  buffer_free(&wanted.value);
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
  static const char hexadecimal[] = "0123456789abcdef";
  buffer_append_byte(out, '"');
  while (text.length > 0) {
    uint8_t byte = text.data[0];
    size_t taken = 1;
    if (byte == '"' || byte == '\\') {
      buffer_append_byte(out, '\\');
      buffer_append_byte(out, byte);
    } else if (byte == '\n') {
      buffer_say(out, "\\n");
    } else if (byte == '\t') {
      buffer_say(out, "\\t");
    } else if (byte < 0x20) {
      buffer_say(out, "\\u00");
      buffer_append_byte(out, (uint8_t)hexadecimal[byte >> 4]);
      buffer_append_byte(out, (uint8_t)hexadecimal[byte & 0x0f]);
    } else {
      taken = sequence_length(text);
      if (taken == 0) {
        buffer_say(out, "\\ufffd");
        taken = 1;
      } else {
        buffer_append(out, text.data, taken);
      }
    }
    text.data += taken;
    text.length -= taken;
  }
  buffer_append_byte(out, '"');
}
