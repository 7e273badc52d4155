/* Byte views, and the growing buffer that holds messages and frames. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t held;

/* Without memory no answer can be composed, so it is a constant. Delegates die with the shim (PR_SET_PDEATHSIG). */
static _Noreturn void memory_exhausted(void) {
  static const char answer[] = "{\"code\":999,\"msg\":\"multus: out of memory\"}\n";
  ssize_t written = write(STDOUT_FILENO, answer, sizeof answer - 1);
  _exit(written < 0 ? 2 : 1);
}

void *memory_take(size_t size) {
  void *memory = malloc(size == 0 ? 1 : size);
  if (memory == NULL) memory_exhausted();
  return memory;
}

void buffer_reserve(struct buffer *buffer, size_t more) {
  if (more <= buffer->capacity - buffer->length) return;
  if (more > SIZE_MAX / 4 || buffer->length > SIZE_MAX / 4) memory_exhausted();
  size_t wanted = buffer->length + more;
  size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity * 2;
  if (capacity < wanted) capacity = wanted;
  uint8_t *data = realloc(buffer->data, capacity);
  if (data == NULL) memory_exhausted();
  held += capacity - buffer->capacity;
  buffer->data = data;
  buffer->capacity = capacity;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length) {
  if (length == 0) return;
  buffer_reserve(buffer, length);
  memcpy(buffer->data + buffer->length, data, length);
  buffer->length += length;
}

void buffer_append_byte(struct buffer *buffer, uint8_t byte) { buffer_append(buffer, &byte, 1); }

void buffer_append_bytes(struct buffer *buffer, struct bytes bytes) { buffer_append(buffer, bytes.data, bytes.length); }

void buffer_append_texts(struct buffer *buffer, const char *const *texts) {
  for (; *texts != NULL; texts++) buffer_append(buffer, *texts, strlen(*texts));
}

static void print(struct buffer *buffer, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  if (length > 0) {
    buffer_reserve(buffer, (size_t)length + 1);
    (void)vsnprintf((char *)buffer->data + buffer->length, (size_t)length + 1, format, again);
    buffer->length += (size_t)length;
  }
  va_end(again);
}

void buffer_print(struct buffer *buffer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print(buffer, format, arguments);
  va_end(arguments);
}

bool problem_say(struct buffer *problem, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print(problem, format, arguments);
  va_end(arguments);
  return false;
}

void buffer_consume(struct buffer *buffer, size_t count) {
  buffer->length -= count;
  if (buffer->length > 0 && count > 0) memmove(buffer->data, buffer->data + count, buffer->length);
}

struct bytes buffer_bytes(const struct buffer *buffer) { return (struct bytes){buffer->data, buffer->length}; }

void buffer_free(struct buffer *buffer) {
  held -= buffer->capacity;
  free(buffer->data);
  *buffer = (struct buffer){0};
}

const char *buffer_text(struct buffer *buffer) {
  buffer_reserve(buffer, 1);
  buffer->data[buffer->length] = 0;
  return (const char *)buffer->data;
}

bool buffer_has_text(const struct buffer *texts, struct bytes text) {
  for (size_t at = 0; at < texts->length;) {
    const char *known = (const char *)texts->data + at;
    if (bytes_equal_text(text, known)) return true;
    at += strlen(known) + 1;
  }
  return false;
}

size_t buffers_held(void) { return held; }

struct bytes bytes_of_text(const char *text) {
  return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void bytes_skip(struct bytes *bytes, size_t count) {
  if (count > bytes->length) count = bytes->length;
  if (count > 0) bytes->data += count;
  bytes->length -= count;
}

bool bytes_take(struct bytes *bytes, uint64_t count, struct bytes *taken) {
  if (count > bytes->length) return false;
  *taken = (struct bytes){bytes->data, (size_t)count};
  bytes_skip(bytes, (size_t)count);
  return true;
}

bool bytes_equal(struct bytes a, struct bytes b) { return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0); }

bool bytes_equal_text(struct bytes bytes, const char *text) { return bytes_equal(bytes, bytes_of_text(text)); }

char *bytes_copy_text(struct bytes bytes) {
  char *copy = memory_take(bytes.length + 1);
  if (bytes.length > 0) memcpy(copy, bytes.data, bytes.length);
  copy[bytes.length] = 0;
  return copy;
}
