/* The files in which host-local keeps who has which address of a network. */
#pragma once

#include "net/native_links.h"

/* Opens an absolute path, following no symbolic link. -1, with errno. */
int directory_open(struct bytes path);

/* Makes a file without a name in a directory. Its descriptor, or -1 where the file system has none. */
int directory_prepare_file(int directory, struct bytes content);

/* Makes a file with that content, whole from the start if `unnamed` is one of directory_prepare_file(). 0 or an errno; EEXIST: it is there. */
int directory_make_file(int directory, const char *name, int unnamed, struct bytes content);

struct address_files {
  int directory;
  int lock;
};

/* Opens a directory, following no symbolic link, and its file `lock`. False, with errno: to be closed in either case. */
bool address_files_open(struct address_files *files, struct bytes directory);

/* Takes host-local's own lock, for which it waits until that moment. False, with errno. */
bool address_files_lock(const struct address_files *files, int64_t until);

void address_files_close(struct address_files *files);

/* Takes an address of each range set of the link, and appends it to its made addresses. The lock is held. False: `problem` says why. */
bool address_files_take(const struct address_files *files, struct native_link *link, const char *container_id, struct buffer *problem);

/* Removes the files of the addresses that were taken for the link, as far as they are still the container's, and has host-local begin where it would have begun; the last
 * link comes first. False, with errno. */
bool address_files_give_back(const struct native_link *link, const char *container_id);

/* Removes all files of the container's interface, as host-local does. The lock is held. False, with errno. */
bool address_files_release(const struct address_files *files, const char *container_id, const char *if_name);
