/* rtnetlink: builds and sends messages to the kernel, and reads its answers. */
#pragma once

#include "base/buffer.h"

struct nlmsghdr;

/* Prepares a NETLINK_ROUTE socket: a time limit for answers, and the kernel's error messages. 0 or an errno. */
int rtnetlink_prepare(int descriptor);

/* Starts a message in `message` with a fixed part of `size` bytes after the header. */
void rtnetlink_begin(struct buffer *message, uint16_t type, uint16_t flags, const void *fixed, size_t size);
void rtnetlink_attribute(struct buffer *message, uint16_t type, const void *data, size_t length);

/* Receives one message of an answer. */
typedef void rtnetlink_receive(const struct nlmsghdr *header, struct bytes payload, void *context);

/* Sends the one message in `message` and reads everything that answers it; each message of the answer that is not an
 * acknowledgement goes to `receive` (which may be NULL). Returns 0 or the kernel's errno; appends the kernel's error message,
 * if any, to `explanation`. EAGAIN: the dump was inconsistent and should be retried. */
int rtnetlink_ask(int descriptor, struct buffer *message, rtnetlink_receive *receive, void *context,
                  struct buffer *explanation);

/* The state of one answer after some of its datagrams; all zero before the first one. */
struct rtnetlink_answer {
  /* A message says that the dumped objects have changed meanwhile. */
  bool is_inconsistent;
  /* 0 or an errno, once the answer is complete; EPROTO if it violates the protocol. */
  int error;
};

/* Takes one datagram of an answer, as rtnetlink_ask() does. True: the answer is complete. */
bool rtnetlink_take_datagram(struct bytes datagram, rtnetlink_receive *receive, void *context, struct buffer *explanation,
                             struct rtnetlink_answer *answer);

/* Takes the attribute at the front off `attributes`. False at their end, and if they are malformed. */
bool rtnetlink_take_attribute(struct bytes *attributes, uint16_t *type, struct bytes *content);
