/* The plugin `passthru`: a role of this binary where it is installed under that name, as Go multus installs one. */
#ifndef MULTUS_PASSTHRU_H
#define MULTUS_PASSTHRU_H

#include <stdbool.h>

/* Is `program` (argv[0], which may be NULL) called passthru? */
bool passthru_is(const char *program);

/* The plugin: ADD gives the previous result as it came, or an empty one of the configuration's version; CHECK, DEL, GC and STATUS succeed; VERSION answers.
 * No daemon is asked, nothing is started, no file is opened. Without a command it says what it is. `count`: arguments that came with it. Gives the exit code. */
int passthru_run(int count, char **arguments);

#endif
