/* Byte views, and the growing buffer that holds messages and frames. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Number of elements of an array. */
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

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
/* Appends text as printf() prints it. */
void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, for the reason of a failure: returns false. */
bool problem_say(struct buffer *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops `count` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t count);
/* A view of the content, valid until the buffer changes. */
struct bytes buffer_bytes(const struct buffer *buffer);
void buffer_free(struct buffer *buffer);
/* The content with a zero byte after it (not counted). Valid until the buffer changes. */
const char *buffer_text(struct buffer *buffer);
/* Is `text` one of the zero-terminated texts in the buffer? */
bool buffer_has_text(const struct buffer *texts, struct bytes text);
/* Bytes held by all buffers together. */
size_t buffers_held(void);

#define buffer_say(buffer, ...) buffer_append_texts((buffer), (const char *const[]){__VA_ARGS__, NULL})

/* Text without zero bytes as an argument for "%.*s". */
#define BYTES_TEXT(bytes) (int)(bytes).length, (const char *)(bytes).data

struct bytes bytes_of_text(const char *text);
/* Drops `count` bytes from the front, or all if there are fewer. */
void bytes_skip(struct bytes *bytes, size_t count);
/* Takes `count` bytes off the front. False: there are fewer. */
bool bytes_take(struct bytes *bytes, uint64_t count, struct bytes *taken);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes bytes, const char *text);
/* A zero-terminated copy, freed with free(). */
char *bytes_copy_text(struct bytes bytes);
