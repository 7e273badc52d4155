/* The flags that Go multus's plugins take, in the forms of Go's package flag. */
#ifndef MULTUS_FLAGS_H
#define MULTUS_FLAGS_H

enum flags {
  /* There is none that is set. */
  FLAGS_NONE,
  FLAGS_VERSION,
  FLAGS_HELP,
  FLAGS_UNKNOWN,
};

/* Reads the arguments behind the program's name: `-name` and `--name` are the same, `-name=false` is as if it were not there. The first that decides counts. */
enum flags flags_read(int count, char **arguments);

#endif
