/* The flags that Go multus's plugins take, in the forms of Go's package flag. */
#include "flags.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *words) {
  for (; *words != NULL; words++) {
    if (strcmp(text, *words) == 0) return true;
  }
  return false;
}

/* The name of the flag `argument`, after one dash or two. NULL: it is no flag. */
static const char *name_of(const char *argument) {
  if (argument[0] != '-' || argument[1] == 0) return NULL;
  const char *name = argument + (argument[1] == '-' ? 2 : 1);
  return name[0] == 0 || name[0] == '-' || name[0] == '=' ? NULL : name;
}

static enum flags meaning(const char *argument) {
  /* The values that Go's strconv.ParseBool accepts. */
  static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
  static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
  static const struct {
    const char *name;
    enum flags means;
  } known[] = {{"version", FLAGS_VERSION}, {"v", FLAGS_VERSION}, {"help", FLAGS_HELP}, {"h", FLAGS_HELP}};
  const char *name = name_of(argument);
  if (name == NULL) return FLAGS_UNKNOWN;
  size_t length = strcspn(name, "=");
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strlen(known[i].name) != length || memcmp(name, known[i].name, length) != 0) continue;
    const char *value = name[length] == 0 ? "true" : name + length + 1;
    if (is_one_of(value, yes)) return known[i].means;
    return is_one_of(value, no) ? FLAGS_NONE : FLAGS_UNKNOWN;
  }
  return FLAGS_UNKNOWN;
}

enum flags flags_read(int count, char **arguments) {
  enum flags found = FLAGS_NONE;
  for (int i = 0; i < count && found == FLAGS_NONE; i++) found = meaning(arguments[i]);
  return found;
}
