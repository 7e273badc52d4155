/* Which network namespaces an order or a recorded DEL may name that the runtime's call does not. */
#ifndef MULTUS_NETNS_USE_H
#define MULTUS_NETNS_USE_H

#include <sys/stat.h>

enum netns_use {
  /* There is none at this path (any more). */
  NETNS_GONE,
  /* This process's own: a plugin's is the host's. */
  NETNS_OWN,
  /* The path has a symbolic link in it, and may lead elsewhere at the next look. All of /proc/PID/ns is such links. */
  NETNS_INDIRECT,
  /* Processes run in it, or that cannot be told. */
  NETNS_BUSY,
  /* No process runs in it. */
  NETNS_LEFT,
};

/* Opens the network namespace at `path`, and says which file that is. -1: there is none. Nothing else is opened. */
int netns_open(const char *path, struct stat *file);

/* Only NETNS_GONE, NETNS_OWN or, for any other namespace, NETNS_LEFT: its path and processes are not looked at. */
enum netns_use netns_place_of(const char *path);

/* Looks at all processes: for what is rare. */
enum netns_use netns_use_of(const char *path);

#endif
