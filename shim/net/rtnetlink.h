/* rtnetlink: work over a socket in another network namespace; messages to the kernel, and its answers. */
#pragma once

#include "base/buffer.h"

struct nlmsghdr;

enum {
  /* How often a dump is retried that the kernel marks as inconsistent. */
  RTNETLINK_DUMP_ATTEMPTS = 10,
};

struct rtnetlink {
  int descriptor;
  /* The present step, for the message of a failure. */
  const char *doing;
  /* The kernel's message, if it has answered the last request with one. */
  struct buffer explanation;
};

/* The work. 0 or an errno. */
typedef int rtnetlink_work(struct rtnetlink *rtnetlink, void *context);

/* Does work over a socket in the namespace at path `netns`. Returns NULL, or "netns" or "failed" (the `error` of a DONE) and appends to `problem`:
 * `about` and `if_name` (which may be empty), the namespace, the step, and the reason. */
const char *rtnetlink_do(struct bytes netns, const char *about, struct bytes if_name, rtnetlink_work *work, void *context, struct buffer *problem);

/* Opens a socket in the namespace that the process is in, which gets events of these groups (RTMGRP_*), if any. 0 or an errno; to be closed in either case. */
int rtnetlink_open(struct rtnetlink *rtnetlink, uint32_t groups);
void rtnetlink_close(struct rtnetlink *rtnetlink);

/* Starts a message in `message` with a fixed part of `size` bytes after the header. */
void rtnetlink_begin(struct buffer *message, uint16_t type, uint16_t flags, const void *fixed, size_t size);
void rtnetlink_attribute(struct buffer *message, uint16_t type, const void *data, size_t length);
/* Starts an attribute that holds others. Returns what rtnetlink_nest_end() needs. */
size_t rtnetlink_nest(struct buffer *message, uint16_t type);
void rtnetlink_nest_end(struct buffer *message, size_t begin);
/* Sets the length of the message, and adds flags. */
void rtnetlink_end(struct buffer *message, uint16_t flags);

/* Receives one message of an answer. */
typedef void rtnetlink_receive(const struct nlmsghdr *header, struct bytes payload, void *context);

/* Waits for events of the socket's groups until a moment; each message goes to `receive` (which may be NULL). 0: some came, ETIMEDOUT, or an errno; ENOBUFS: some
 * are lost. */
int rtnetlink_wait(struct rtnetlink *rtnetlink, int64_t until, rtnetlink_receive *receive, void *context);

/* Sends the one message in `message` and reads everything that answers it; each message of the answer that is not an
 * acknowledgement goes to `receive` (which may be NULL). Returns 0 or the kernel's errno. EAGAIN: the dump was inconsistent and should be retried. */
int rtnetlink_ask(struct rtnetlink *rtnetlink, struct buffer *message, rtnetlink_receive *receive, void *context);

/* Asks for all objects of a type (RTM_GET*); `fixed` is the message's fixed part. Before each attempt `collected`, which may be NULL, is emptied. */
int rtnetlink_dump(struct rtnetlink *rtnetlink, uint16_t type, const void *fixed, size_t size, struct buffer *collected, rtnetlink_receive *receive,
                   void *context);

/* The state of one answer after some of its datagrams; all zero before the first one. */
struct rtnetlink_answer {
  /* A message says that the dumped objects have changed meanwhile. */
  bool is_inconsistent;
  /* 0 or an errno, once the answer is complete; EPROTO if it violates the protocol. */
  int error;
};

/* Takes one datagram of an answer, as rtnetlink_ask() does; appends the kernel's message to `explanation`. True: the answer is complete. */
bool rtnetlink_take_datagram(struct bytes datagram, rtnetlink_receive *receive, void *context, struct buffer *explanation,
                             struct rtnetlink_answer *answer);

/* Takes the attribute at the front off `attributes`. False at their end, and if they are malformed. */
bool rtnetlink_take_attribute(struct bytes *attributes, uint16_t *type, struct bytes *content);

/* Finds the first attribute of a type. */
bool rtnetlink_find_attribute(struct bytes attributes, uint16_t type, struct bytes *content);
