/* The environment of a delegate: the shim's own without the parameters of its call, overlaid with the order's `env`. */
#include "exec/environment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const environment_settable[ENVIRONMENT_SETTABLE] = {
    [ENVIRONMENT_COMMAND] = "CNI_COMMAND", [ENVIRONMENT_CONTAINER_ID] = "CNI_CONTAINERID", [ENVIRONMENT_NETNS] = "CNI_NETNS",
    [ENVIRONMENT_IF_NAME] = "CNI_IFNAME",  [ENVIRONMENT_ARGS] = "CNI_ARGS",                [ENVIRONMENT_PATH] = "CNI_PATH",
    [ENVIRONMENT_TRACEPARENT] = "TRACEPARENT", [ENVIRONMENT_TRACESTATE] = "TRACESTATE",
};

static char mark[] = ENVIRONMENT_DELEGATE_MARK "=1";

size_t environment_index(struct bytes name) {
  size_t index = 0;
  while (index < ENVIRONMENT_SETTABLE && !bytes_equal_text(name, environment_settable[index])) index++;
  return index;
}

/* Does a delegate get this variable of the shim's own? Other variables that start with CNI_ are the runtime's for every plugin and stay. */
static bool keeps(enum environment_base base, const char *entry, const struct variable *variables) {
  struct bytes name = {(const uint8_t *)entry, strcspn(entry, "=")};
  if (base != ENVIRONMENT_OF_RUNTIME) return bytes_equal_text(name, "PATH");
  size_t index = environment_index(name);
  if (index == ENVIRONMENT_SETTABLE) return !bytes_equal_text(name, ENVIRONMENT_DELEGATE_MARK);
  return index >= ENVIRONMENT_PARAMETERS && !variables[index].is_set;
}

struct environment environment_make(enum environment_base base, const struct variable *variables) {
  size_t own = 0, count = 0, length = 0;
  while (environ[own] != NULL) own++;
  struct environment made = {.list = memory_take((own + ENVIRONMENT_SETTABLE + 2) * sizeof(char *))};
  for (size_t i = 0; i < own; i++) {
    if (keeps(base, environ[i], variables)) made.list[count++] = environ[i];
  }
  for (size_t i = 0; i < ENVIRONMENT_SETTABLE; i++) length += strlen(environment_settable[i]) + variables[i].value.length + 2;
  /* All at once: the texts must not move. */
  buffer_reserve(&made.texts, length);
  for (size_t i = 0; i < ENVIRONMENT_SETTABLE; i++) {
    if (!variables[i].is_set) continue;
    made.list[count++] = (char *)made.texts.data + made.texts.length;
    buffer_say(&made.texts, environment_settable[i], "=");
    buffer_append_bytes(&made.texts, variables[i].value);
    buffer_append_byte(&made.texts, 0);
  }
  if (base != ENVIRONMENT_OF_PLAYED_RUNTIME) made.list[count++] = mark;
  made.list[count] = NULL;
  return made;
}

void environment_free(struct environment *environment) {
  free(environment->list);
  buffer_free(&environment->texts);
  *environment = (struct environment){0};
}
