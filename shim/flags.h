/* The flags that Go multus's plugins take, in the forms of Go's package flag. */
#pragma once

enum flags {
  /* None of the flags is set. */
  FLAGS_NONE,
  FLAGS_VERSION,
  FLAGS_HELP,
  FLAGS_UNKNOWN,
};

/* Reads the arguments after the program's name: `-name` and `--name` are the same, `-name=false` has no effect. The first flag that is set counts. */
enum flags flags_read(int count, char **arguments);
