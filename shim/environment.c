/* The environment of a delegate: ours without what the runtime said to us, and what the order says over it. */
#include "environment.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

/* CNI spec, section 2 "Parameters". Others that start with CNI_ are the runtime's word to every plugin and stay. */
static const char *const parameters[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"};

static bool is_parameter(struct bytes name) {
  for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
    if (bytes_equal_text(name, parameters[i])) return true;
  }
  return false;
}

/* Does the map have this name? */
static bool names(struct msgpack_value over, struct bytes name) {
  struct bytes rest = over.content;
  struct msgpack_value key, value;
  while (msgpack_take(&rest, &key) && msgpack_take(&rest, &value)) {
    if (key.content.length == name.length && memcmp(key.content.data, name.data, name.length) == 0) return true;
  }
  return false;
}

static bool keeps(enum environment_base base, struct bytes name) {
  return base == ENVIRONMENT_OF_AGENT ? bytes_equal_text(name, "PATH") : !is_parameter(name);
}

struct environment environment_make(enum environment_base base, struct msgpack_value over) {
  size_t own = 0;
  while (environ[own] != NULL) own++;
  /* Every text of `over` has a head of at least one byte, which makes room for its `=` or zero byte. */
  struct environment made = {
      .list = memory_take((own + (size_t)over.number + 1) * sizeof(char *)),
      .texts = memory_take(over.content.length),
  };
  size_t count = 0;
  for (size_t i = 0; i < own; i++) {
    struct bytes name = {(const uint8_t *)environ[i], strcspn(environ[i], "=")};
    if (keeps(base, name) && !names(over, name)) made.list[count++] = environ[i];
  }
  char *at = made.texts;
  struct bytes rest = over.content;
  struct msgpack_value key, value;
  while (msgpack_take(&rest, &key) && msgpack_take(&rest, &value)) {
    /* Of equal keys the last one counts. A program would find the first, or the last: which one depends on its language. */
    if (names((struct msgpack_value){.content = rest}, key.content)) continue;
    made.list[count++] = at;
    memcpy(at, key.content.data, key.content.length);
    at += key.content.length;
    *at++ = '=';
    if (value.content.length > 0) memcpy(at, value.content.data, value.content.length);
    at += value.content.length;
    *at++ = 0;
  }
  made.list[count] = NULL;
  return made;
}

void environment_free(struct environment *environment) {
  free(environment->list);
  free(environment->texts);
  *environment = (struct environment){0};
}
