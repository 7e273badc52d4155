/* `multus agent`: carries out orders from an inherited socket. */
#pragma once

#include "program.h"

/* Reads the arguments after `multus agent`, serves orders until the socket ends, and returns the exit code. */
int agent_run(const struct program *program, int count, char **arguments);
