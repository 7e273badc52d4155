/* Byte views, and the growing buffer that holds messages and frames. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view of bytes that another object owns. */
struct bytes {
  const uint8_t *data;
  size_t length;
};

/* All zero is an empty buffer. */
struct buffer {
  uint8_t *data;
  size_t length;
  size_t capacity;
};

/* Allocates `size` bytes, to be freed with free(). Without memory, ends the process with a CNI error. */
void *memory_take(size_t size);

/* Reserves `more` bytes after the content. Without memory, ends the process with a CNI error. */
void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_byte(struct buffer *buffer, uint8_t byte);
void buffer_append_bytes(struct buffer *buffer, struct bytes bytes);
/* Appends zero-terminated texts up to a NULL; called through buffer_say(). */
void buffer_append_texts(struct buffer *buffer, const char *const *texts);
/* In decimal digits. */
void buffer_append_unsigned(struct buffer *buffer, uint64_t number);
/* Drops `count` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t count);
void buffer_free(struct buffer *buffer);
/* The content with a zero byte after it (not counted). Valid until the buffer changes. */
const char *buffer_text(struct buffer *buffer);
/* Is `text` one of the zero-terminated texts in the buffer? */
bool buffer_has_text(const struct buffer *texts, struct bytes text);
/* Bytes held by all buffers together. */
size_t buffers_held(void);

#define buffer_say(buffer, ...) buffer_append_texts((buffer), (const char *const[]){__VA_ARGS__, NULL})

struct bytes bytes_of_text(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes bytes, const char *text);
/* A zero-terminated copy, freed with free(). */
char *bytes_copy_text(struct bytes bytes);
