/* The directory of recorded DELs: its files' names, and what is done with whole files (docs/wire.md, "DELs while no daemon is there"). */
#ifndef MULTUS_SPOOL_DIRECTORY_H
#define MULTUS_SPOOL_DIRECTORY_H

#include <limits.h>

#include "spool_record.h"

enum {
  /* `<time>-<tries>-` */
  SPOOL_TIME_DIGITS = 16,
  SPOOL_TRIES_DIGITS = 2,
  SPOOL_CONTAINER_ID_AT = SPOOL_TIME_DIGITS + 1 + SPOOL_TRIES_DIGITS + 1,
  /* A name can still be given the prefix of what is set aside. */
  SPOOL_NAME_MAX = NAME_MAX - 7,
  /* After so many a record is set aside: with the pauses between them that is a day. */
  SPOOL_TRIES_MAX = 79,
  /* After so many, where the last one has ended the daemon: two hours. */
  SPOOL_CRASHES_MAX = 16,
};

/* Where a record is written until it is whole. */
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

/* What is in the directory, but what begins with a dot; in order of the names. */
struct spool_list {
  struct spool_entry *entries;
  size_t count;
  size_t capacity;
};

/* The path of the directory below `cni_dir`. */
void spool_directory_path(const char *cni_dir, struct buffer *path);

/* Opens the directory. -1 with errno: it is not there, or is no directory. */
int spool_directory_open(const char *cni_dir);
/* The same, but makes it, and those above it, where it is missing. */
int spool_directory_make(const char *cni_dir);

/* What a file's name says. False: it begins with a dot, or is longer than a name that we could give. */
bool spool_entry_read(const char *name, struct spool_entry *entry);

/* Reads the names; freed with spool_list_free(). False, with errno, if that cannot be done. */
bool spool_list_read(int directory, struct spool_list *list);
void spool_list_free(struct spool_list *list);

/* The container of a record. */
const char *spool_entry_container(const struct spool_entry *entry);
/* Is the entry a record of this container? */
bool spool_entry_is_of(const struct spool_entry *entry, const char *container_id);

/* The name of a record. */
void spool_name_make(uint64_t time, unsigned tries, const char *container_id, struct buffer *name);

/* The name of what is set aside as no record. Of a name that leaves no room for the prefix, as much as there is room for, and what tells it from others
 * that begin like it. */
void spool_aside_name_make(const char *name, struct buffer *aside);

/* Opens an entry's file for reading. -1 with errno. */
int spool_file_open(int directory, const char *name);
/* Is `fd` still the file of that name? */
bool spool_file_is(int directory, const char *name, int fd);
/* Reads the record in an open file. False: `problem` says why it is none. */
bool spool_file_read(int fd, const struct spool_entry *entry, struct spool_record *record, struct buffer *problem);

/* Is the record to be tried now? One that has failed waits, the longer the more often it has. */
bool spool_entry_is_due(int directory, const struct spool_entry *entry);
/* Counts a try that failed, in the name and in the file's time; after `most` of them sets the record aside. Says on stderr where that cannot be done. */
void spool_count_try(int directory, int fd, const struct spool_entry *entry, unsigned most);
/* Could the file be removed? Nothing that could not is carried out: it would be again and again. False, with errno: on a read-only file system, say. */
bool spool_can_remove(int directory, const char *name);
/* Removes a record that is done with, for good. False, with errno, if that cannot be done. */
bool spool_remove(int directory, const struct spool_entry *entry);

/* Gives a file that is no record a name that says so, and says it on stderr. False: it still has its own. */
bool spool_set_aside(int directory, const char *name, const char *problem);

#endif
