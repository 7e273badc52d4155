/* The identity of the network namespace at a path, to tell later whether the path still leads to it. */
#pragma once

#include "base/buffer.h"

struct netns_identity {
  /* Of the boot in which the rest means something; "" where the path led to no network namespace. */
  char boot_id[40];
  uint64_t device;
  uint64_t inode;
  /* The kernel's own number for the namespace, never used twice in a boot; 0 where it has none (before Linux 5.14) or does not tell us:
   * then nothing is certain, for inode numbers are used again, and soon. */
  uint64_t cookie;
};

/* Reads the identity of the namespace at `path`. */
struct netns_identity netns_identify(const char *path);

/* Are both certainly the same network namespace? */
bool netns_identity_equals(const struct netns_identity *a, const struct netns_identity *b);
