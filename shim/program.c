/* How the binary's programs are called: flags and options, and their answers to a person and to CNI_COMMAND=VERSION. */
#include "program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/json.h"
#include "base/version.h"

/* FLAGS_NONE: none of the flags is set. */
enum flags { FLAGS_NONE, FLAGS_VERSION, FLAGS_HELP, FLAGS_UNKNOWN };

static bool is_one_of(const char *text, const char *const *words) {
  while (*words != NULL && strcmp(text, *words) != 0) words++;
  return *words != NULL;
}

/* In the forms of Go's package flag: `-name` and `--name` are the same, `-name=false` has no effect. */
static enum flags meaning(const char *argument) {
  /* The values that Go's strconv.ParseBool accepts. */
  static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
  static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
  static const struct {
    const char *name;
    enum flags means;
  } known[] = {{"version", FLAGS_VERSION}, {"v", FLAGS_VERSION}, {"help", FLAGS_HELP}, {"h", FLAGS_HELP}};
  if (argument[0] != '-') return FLAGS_UNKNOWN;
  struct bytes name = bytes_of_text(argument + (argument[1] == '-' ? 2 : 1));
  const char *value = memchr(name.data, '=', name.length);
  if (value != NULL) name.length = (size_t)((const uint8_t *)value - name.data);
  value = value == NULL ? "true" : value + 1;
  for (size_t i = 0; i < COUNT_OF(known); i++) {
    if (!bytes_equal_text(name, known[i].name)) continue;
    return is_one_of(value, yes) ? known[i].means : is_one_of(value, no) ? FLAGS_NONE : FLAGS_UNKNOWN;
  }
  return FLAGS_UNKNOWN;
}

/* multusctl knows every release of this binary by this text (src/ctl/node/program.ts). It may not be put together at run time. */
#define MARK " (multus-wasm): CNI plugin"

static int print_about(const struct program *program, int fd, const char *help) {
  struct buffer text = {0};
  buffer_say(&text, program->name, " ", version_of_shim, MARK " that ", program->purpose, "\nCNI spec versions supported: ");
  version_append_supported(&text);
  buffer_say(&text, "\n", help);
  return print_text(fd, &text);
}

int program_refuse(const struct program *program, const char *problem) {
  struct buffer text = {0};
  buffer_say(&text, program->name, ": ", problem, "\n", program->help[0] == 0 ? "" : "\n");
  (void)print_text(STDERR_FILENO, &text);
  if (program->help[0] != 0) (void)print_about(program, STDERR_FILENO, program->help);
  return EXIT_USAGE;
}

bool program_answers(const struct program *program, int count, char **arguments, int *exit_code) {
  enum flags found = FLAGS_NONE;
  for (int i = 0; i < count && found == FLAGS_NONE; i++) found = meaning(arguments[i]);
  const char *command = getenv("CNI_COMMAND");
  if (found == FLAGS_UNKNOWN) {
    *exit_code = program_refuse(program, "unknown argument");
  } else if (found != FLAGS_NONE) {
    *exit_code = print_about(program, STDOUT_FILENO, found == FLAGS_HELP ? program->help : "");
  } else if (command == NULL || command[0] == 0) {
    /* A person runs it by hand: answer as libcni's plugins do. */
    *exit_code = print_about(program, STDERR_FILENO, "");
  } else if (strcmp(command, "VERSION") == 0) {
    struct buffer text = {0};
    version_append_result(&text);
    *exit_code = print_text(STDOUT_FILENO, &text);
  } else {
    return false;
  }
  return true;
}

const char *program_read_options(int count, char **arguments, const struct option *options, const char *unknown, const char *no_value) {
  for (int i = 0; i < count; i++) {
    const struct option *option = options;
    while (option->name != NULL && strcmp(option->name, arguments[i]) != 0) option++;
    if (option->flag != NULL) {
      *option->flag = true;
    } else if (++i == count) {
      return no_value;
    } else if (option->name == NULL) {
      return unknown;
    } else {
      *option->value = arguments[i];
    }
  }
  return NULL;
}

bool program_read_number(const char *text, uint32_t least, uint32_t most, uint32_t *number) {
  while (text[0] == '0' && text[1] != 0) text++;
  return json_read_unsigned(bytes_of_text(text), most, number) && *number >= least;
}
