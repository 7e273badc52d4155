/* The directory of recorded DELs, and its files' names (docs/wire.md, "DELs while no daemon is there"). */
#pragma once

#include <dirent.h>
#include <limits.h>

#include "base/buffer.h"

enum {
  /* `<time>-<tries>-` */
  SPOOL_TIME_DIGITS = 16,
  SPOOL_TRIES_DIGITS = 2,
  SPOOL_CONTAINER_ID_AT = SPOOL_TIME_DIGITS + 1 + SPOOL_TRIES_DIGITS + 1,
  /* A name can still be given the prefix of what is set aside. */
  SPOOL_NAME_MAX = NAME_MAX - 7,
};

/* The directory's name below `cniDir`, with a slash before it; where a record is written until it is whole. */
extern const char spool_directory_name[];
extern const char spool_recording[];

enum spool_kind {
  /* `time` and `tries` count, and the container id stands in the name at SPOOL_CONTAINER_ID_AT. */
  SPOOL_RECORD,
  /* Set aside. */
  SPOOL_ASIDE,
  /* No name that we give. */
  SPOOL_FOREIGN,
};

/* A file by its name. */
struct spool_entry {
  char name[NAME_MAX + 1];
  enum spool_kind kind;
  /* Microseconds since 1970. */
  uint64_t time;
  unsigned tries;
};

/* Opens the directory; with `makes` it is made, and those above it, where it is missing. -1 with errno: it is not there, or is no directory. */
int spool_directory_open(const char *cni_dir, bool makes);
/* Is the open directory still the one below `cni_dir`? */
bool spool_directory_is(const char *cni_dir, int directory);

/* Reads the directory from its beginning; nobody else's place in it matters. NULL with errno. */
DIR *spool_directory_read(int directory);
/* The next file whose name does not begin with a dot. False at the end (errno is 0), and where it cannot be read (errno). */
bool spool_directory_next(DIR *stream, struct spool_entry *entry);

/* Is there a file that waits for the daemon: one that is neither hidden nor set aside? False, with errno, also where that cannot be told (0 otherwise). */
bool spool_directory_has_waiting(int directory);

/* Reads a file's name. False: it begins with a dot, or is longer than a name that we could give. */
bool spool_entry_read(const char *name, struct spool_entry *entry);

/* The container of a record. */
const char *spool_entry_container(const struct spool_entry *entry);
/* Is the entry a record of this container? */
bool spool_entry_is_of(const struct spool_entry *entry, const char *container_id);

/* The name of a record. */
void spool_name_make(uint64_t time, unsigned tries, const char *container_id, struct buffer *name);

/* Is `fd` still the file of that name? */
bool spool_file_is(int directory, const char *name, int fd);
/* Reads a file. False: it is no ordinary file, has more than `most` bytes, or cannot be read. */
bool spool_file_read(int directory, const char *name, size_t most, struct buffer *content);
