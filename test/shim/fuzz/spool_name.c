/* Target: names of files in the spool (shim/spool/spool_directory.c). */
#include <stdlib.h>
#include <string.h>

#include "readers.h"
#include "spool/spool_directory.h"
#include "target.h"

static void seed(struct buffer *out, uint64_t which) {
  static const char *const names[] = {"1764460800000000-00-0123456789abcdef", "failed-1764460800000000-16-a", "broken-x", ".recording",
                                      "9999999999999999-99-a.b_c-D",          "1764460800000000-00-",         "lost+found"};
  buffer_say(out, names[which % 7]);
  if (which / 7 % 4 == 0) {
    for (size_t i = 0; i < 235; i++) buffer_append_byte(out, 'x');
  }
}

void spool_name_describe(struct bytes bytes, struct buffer *line) {
  struct spool_entry entry;
  char *name = bytes_copy_text(bytes);
  if (!spool_entry_read(name, &entry)) {
    buffer_say(line, "passed over");
  } else if (entry.kind == SPOOL_RECORD) {
    buffer_say(line, "record ");
    buffer_print(line, "%ju", (uintmax_t)entry.time);
    buffer_say(line, " ");
    buffer_print(line, "%ju", (uintmax_t)entry.tries);
    buffer_say(line, " ", spool_entry_container(&entry));
  } else {
    buffer_say(line, entry.kind == SPOOL_ASIDE ? "aside" : "foreign");
  }
  free(name);
}

/* A record's name is what we would give it. */
static void check_record(const struct spool_entry *entry) {
  struct buffer made = {0};
  spool_name_make(entry->time, entry->tries, spool_entry_container(entry), &made);
  MUST(strcmp(buffer_text(&made), entry->name) == 0 && spool_entry_is_of(entry, spool_entry_container(entry)));
  buffer_free(&made);
}

static void check(struct bytes input) {
  struct bytes piece = take_piece(&input);
  char *name = bytes_copy_text(piece);
  struct spool_entry entry;
  if (spool_entry_read(name, &entry)) {
    MUST(strcmp(entry.name, name) == 0);
    if (entry.kind == SPOOL_RECORD) check_record(&entry);
  } else {
    MUST(piece.length > NAME_MAX || name[0] == '.');
  }
  free(name);
}

const struct target target_spool_name = {.name = "spool-name", .seed = seed, .check = check};
