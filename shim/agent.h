/* `multus agent`: carries out orders from an inherited socket. */
#pragma once

#include <stdbool.h>

/* Serves orders until the socket ends, with plugins from the directories of the colon separated `path`, and gives the exit code. With `root` NULL the root
 * directory stays what it is; `plays_runtime`: what it runs is no delegate, and may be this file. */
int agent_run(int fd, const char *path, const char *root, bool plays_runtime);
