/* Which network namespaces an order or a recorded DEL may name that the runtime's call does not. */
#pragma once

#include <sys/stat.h>

enum netns_use {
  /* There is no network namespace at this path (any more). */
  NETNS_GONE,
  /* This process's own; for a plugin that is the host's. */
  NETNS_OWN,
  /* The path contains a symbolic link, and may lead elsewhere later. Every file of /proc/PID/ns is such a link. */
  NETNS_INDIRECT,
  /* Processes run in it, or that is unknown. */
  NETNS_BUSY,
  /* No process runs in it. */
  NETNS_LEFT,
};

/* Opens the network namespace at `path`; `file` is its file. -1: there is none. Never opens anything but a network namespace. */
int netns_open(const char *path, struct stat *file);

/* NETNS_GONE, NETNS_OWN or, for any other namespace, NETNS_LEFT, without a look at its path and its processes. */
enum netns_use netns_place_of(const char *path);

/* Expensive: reads the namespaces of all processes. */
enum netns_use netns_use_of(const char *path);
