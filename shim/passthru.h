/* The plugin `passthru`: this binary's role if it is installed under that name, as Go multus installs one. */
#pragma once

#include <stdbool.h>

/* Is `program` (argv[0], which may be NULL) called passthru? */
bool passthru_is(const char *program);

/* Runs the plugin and returns the exit code. ADD prints prevResult unchanged, or an empty result of the configuration's version; CHECK, DEL, GC and STATUS
 * succeed; VERSION answers. Without a command it prints its name and version. It asks no daemon, starts no process and opens no file.
 * `count`: number of `arguments`, without the program's name. */
int passthru_run(int count, char **arguments);
