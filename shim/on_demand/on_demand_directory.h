/* Files in the socket's directory for the start of the daemon: a lock that one call holds, and the daemon's output. */
#pragma once

#include "base/buffer.h"

/* Descriptors, -1 if not open. */
struct on_demand_directory {
  int directory;
  int lock;
  int output;
};

/* Opens the directory of that socket, made (0700) if missing, and the lock's file in it. Refuses symbolic links, and a directory in which
 * another user could replace them. False: `problem` says why. */
bool on_demand_directory_open(struct on_demand_directory *directory, const char *socket_path, struct buffer *problem);

enum lock_status { LOCK_TAKEN, LOCK_BUSY, LOCK_FAILED };
/* Takes the lock if it is free. The kernel releases it when its holder ends. LOCK_FAILED: `problem` says why. */
enum lock_status on_demand_directory_lock(const struct on_demand_directory *directory, struct buffer *problem);

/* Opens and empties the file for the daemon's stdout and stderr. False: `problem` says why. */
bool on_demand_directory_open_output(struct on_demand_directory *directory, struct buffer *problem);

/* Appends the last lines that the daemon has printed. */
void on_demand_directory_append_output(const struct on_demand_directory *directory, struct buffer *out);

/* Closes the open descriptors, which releases the lock. */
void on_demand_directory_close(struct on_demand_directory *directory);
