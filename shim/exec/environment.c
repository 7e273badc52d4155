/* The environment of a delegate: the shim's own without the parameters of its call, overlaid with the order's `env`. */
#include "exec/environment.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

const char *const environment_settable[ENVIRONMENT_SETTABLE] = {
    [ENVIRONMENT_COMMAND] = "CNI_COMMAND", [ENVIRONMENT_CONTAINER_ID] = "CNI_CONTAINERID", [ENVIRONMENT_NETNS] = "CNI_NETNS",
    [ENVIRONMENT_IF_NAME] = "CNI_IFNAME",  [ENVIRONMENT_ARGS] = "CNI_ARGS",                [ENVIRONMENT_PATH] = "CNI_PATH",
    [ENVIRONMENT_TRACEPARENT] = "TRACEPARENT", [ENVIRONMENT_TRACESTATE] = "TRACESTATE",
};

static char mark[] = ENVIRONMENT_DELEGATE_MARK "=1";
static char no_netns[] = "CNI_NETNS=";

/* Other variables that start with CNI_ are the runtime's for every plugin and stay. */
static bool is_parameter(struct bytes name) {
  for (size_t i = 0; i < ENVIRONMENT_PARAMETERS; i++) {
    if (bytes_equal_text(name, environment_settable[i])) return true;
  }
  return false;
}

/* Does the map have this name? */
static bool names(struct msgpack_value over, struct bytes name) {
  struct bytes rest = over.content;
  struct msgpack_value key, value;
  while (msgpack_take(&rest, &key) && msgpack_take(&rest, &value)) {
    if (bytes_equal(key.content, name)) return true;
  }
  return false;
}

static bool keeps(enum environment_base base, struct bytes name) {
  if (base != ENVIRONMENT_OF_RUNTIME) return bytes_equal_text(name, "PATH");
  return !is_parameter(name) && !bytes_equal_text(name, ENVIRONMENT_DELEGATE_MARK);
}

struct environment environment_make(enum environment_base base, struct msgpack_value over, bool without_netns) {
  size_t own = 0;
  while (environ[own] != NULL) own++;
  /* Every text of `over` has a head of at least one byte, which makes room for its `=` or zero byte. */
  struct environment made = {
      .list = memory_take((own + (size_t)over.number + 2) * sizeof(char *)),
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
    /* Of equal keys the last one counts. Programs find the first or the last, depending on their language, so only one is passed. */
    if (names((struct msgpack_value){.content = rest}, key.content) || bytes_equal_text(key.content, ENVIRONMENT_DELEGATE_MARK)) continue;
    if (without_netns && bytes_equal_text(key.content, environment_settable[ENVIRONMENT_NETNS])) {
      made.list[count++] = no_netns;
      continue;
    }
    made.list[count++] = at;
    memcpy(at, key.content.data, key.content.length);
    at += key.content.length;
    *at++ = '=';
    if (value.content.length > 0) memcpy(at, value.content.data, value.content.length);
    at += value.content.length;
    *at++ = 0;
  }
  if (base != ENVIRONMENT_OF_PLAYED_RUNTIME) made.list[count++] = mark;
  made.list[count] = NULL;
  return made;
}

void environment_free(struct environment *environment) {
  free(environment->list);
  free(environment->texts);
  *environment = (struct environment){0};
}
