/* How the binary's programs are called: flags and options, and their answers to a person and to CNI_COMMAND=VERSION. */
#pragma once

#include "base/buffer.h"

enum { EXIT_USAGE = 2 };

struct program {
  const char *name;
  /* Behind "CNI plugin that", in the text about it. */
  const char *purpose;
  /* The usage, which --help prints behind that text; may be empty. */
  const char *help;
};

/* Answers the flags of Go multus's plugins, a call without CNI_COMMAND, and VERSION. True: that was all, with the exit code. `count`: number of `arguments`,
 * without the program's name. */
bool program_answers(const struct program *program, int count, char **arguments, int *exit_code);

/* Says on stderr what is wrong with the arguments, and returns the exit code. */
int program_refuse(const struct program *program, const char *problem);

/* An option, and where its value goes: with `flag` it has none. */
struct option {
  const char *name;
  const char **value;
  bool *flag;
};

/* Reads options; a name of NULL ends their list. Returns NULL, or what is wrong: the option is unknown, or has no value. */
const char *program_read_options(int count, char **arguments, const struct option *options, const char *unknown, const char *no_value);

/* Reads a whole number from `least` to `most`, without a sign. */
bool program_read_number(const char *text, uint32_t least, uint32_t most, uint32_t *number);
