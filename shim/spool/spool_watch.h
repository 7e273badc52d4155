/* Noticing what is recorded while a process sleeps: inotify on the directory of recorded DELs. */
#pragma once

/* Watches an open directory. Returns a descriptor that can be read when it has changed, or -1: the kernel refuses, or has no inotify left for this user. */
int spool_watch_open(int directory);

enum spool_watch_news {
  /* Nothing, or a change that needs no daemon: a file was removed, or the directory itself is. */
  SPOOL_WATCH_CHANGE,
  /* A record is new, or one that was set aside has its name back. Or too much has happened to tell. */
  SPOOL_WATCH_RECORD,
};

/* Reads all that has happened, at once. Where no more can be learned from `*watch`, it is closed and -1. */
enum spool_watch_news spool_watch_read(int *watch);
