/* Talking rtnetlink to the kernel: messages built, sent, and their answers read. */
#ifndef MULTUS_RTNETLINK_H
#define MULTUS_RTNETLINK_H

#include "buffer.h"

struct nlmsghdr;

/* Prepares a NETLINK_ROUTE socket (answers in time, the kernel's explanations). 0, or an errno. */
int rtnetlink_prepare(int descriptor);

/* Starts a message in `message` with a fixed part of `size` bytes behind the header. */
void rtnetlink_begin(struct buffer *message, uint16_t type, uint16_t flags, const void *fixed, size_t size);
void rtnetlink_attribute(struct buffer *message, uint16_t type, const void *data, size_t length);

/* Sees one message of an answer. */
typedef void rtnetlink_receive(const struct nlmsghdr *header, struct bytes payload, void *context);

/* Sends the one message in `message` and reads everything that answers it; each message of the answer that is not an
 * acknowledgement goes to `receive` (which may be NULL). Returns 0 or the kernel's errno; the kernel's own words, if it
 * has any, are appended to `explanation`. EAGAIN: the answer of a dump was not consistent, ask again. */
int rtnetlink_ask(int descriptor, struct buffer *message, rtnetlink_receive *receive, void *context,
                  struct buffer *explanation);

/* What the datagrams of one answer have said so far; all zero before the first one. */
struct rtnetlink_answer {
  /* A message says that what is dumped has changed meanwhile. */
  bool is_inconsistent;
  /* 0 or an errno, once the answer is complete; EPROTO where it is no netlink. */
  int error;
};

/* Takes one datagram of an answer, as rtnetlink_ask() does. True: the answer is complete. */
bool rtnetlink_take_datagram(struct bytes datagram, rtnetlink_receive *receive, void *context, struct buffer *explanation,
                             struct rtnetlink_answer *answer);

/* The attribute at the front of `attributes`, taken off them. False at their end (or where they make no sense). */
bool rtnetlink_take_attribute(struct bytes *attributes, uint16_t *type, struct bytes *content);

#endif
