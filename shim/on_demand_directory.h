/* The directory of the socket as those use it who start the daemon: a lock that one of them has, and a file for what the daemon prints. */
#ifndef MULTUS_ON_DEMAND_DIRECTORY_H
#define MULTUS_ON_DEMAND_DIRECTORY_H

#include "buffer.h"

/* Descriptors, -1 where they are not open. */
struct on_demand_directory {
  int directory;
  int lock;
  int output;
};

/* Opens the directory of that socket, which is made (0700) if it is missing, and the lock's file in it; neither is taken from
 * behind a symbolic link, or where others could put something else in its place. False: `problem` says why not. */
bool on_demand_directory_open(struct on_demand_directory *directory, const char *socket_path, struct buffer *problem);

enum lock_status { LOCK_TAKEN, LOCK_BUSY, LOCK_FAILED };
/* Takes the lock if nobody has it. It goes with its holder, whatever that dies of. LOCK_FAILED: `problem` says why. */
enum lock_status on_demand_directory_lock(const struct on_demand_directory *directory, struct buffer *problem);

/* Opens the file that the daemon's stdout and stderr go to, emptied. False: `problem` says why not. */
bool on_demand_directory_open_output(struct on_demand_directory *directory, struct buffer *problem);

/* Appends the end of what the daemon has printed, some lines. */
void on_demand_directory_append_output(const struct on_demand_directory *directory, struct buffer *out);

/* Closes what is open. The lock is free then. */
void on_demand_directory_close(struct on_demand_directory *directory);

#endif
