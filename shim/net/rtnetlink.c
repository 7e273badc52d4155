/* rtnetlink: builds and sends messages to the kernel, and reads its answers. */
#include "net/rtnetlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"

enum {
  /* The largest datagram that the kernel sends of a dump. */
  RECEIVE_BYTES = 32 * 1024,
  /* Time limit for each datagram, and for the whole answer: the owner of a namespace may fill it with addresses and routes. */
  ANSWER_SECONDS = 5,
};

int rtnetlink_prepare(int descriptor) {
  struct timeval patience = {.tv_sec = ANSWER_SECONDS};
  int on = 1;
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) return errno;
  /* Kernels before 4.12 lack NETLINK_EXT_ACK and send only the errno. */
  if (setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on) != 0 && errno != ENOPROTOOPT) return errno;
  return 0;
}

static void pad(struct buffer *message) {
  while (message->length % NLMSG_ALIGNTO != 0) buffer_append_byte(message, 0);
}

void rtnetlink_begin(struct buffer *message, uint16_t type, uint16_t flags, const void *fixed, size_t size) {
  struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)};
  message->length = 0;
  buffer_append(message, &header, sizeof header);
  buffer_append(message, fixed, size);
  pad(message);
}

void rtnetlink_attribute(struct buffer *message, uint16_t type, const void *data, size_t length) {
  struct rtattr attribute = {.rta_len = (unsigned short)(sizeof attribute + length), .rta_type = type};
  buffer_append(message, &attribute, sizeof attribute);
  buffer_append(message, data, length);
  pad(message);
}

bool rtnetlink_take_attribute(struct bytes *attributes, uint16_t *type, struct bytes *content) {
  struct rtattr attribute;
  if (attributes->length < sizeof attribute) return false;
  memcpy(&attribute, attributes->data, sizeof attribute);
  if (attribute.rta_len < sizeof attribute || attribute.rta_len > attributes->length) return false;
  *type = (uint16_t)(attribute.rta_type & NLA_TYPE_MASK);
  *content = (struct bytes){attributes->data + sizeof attribute, attribute.rta_len - sizeof attribute};
  size_t taken = RTA_ALIGN((size_t)attribute.rta_len);
  if (taken > attributes->length) taken = attributes->length;
  attributes->data += taken;
  attributes->length -= taken;
  return true;
}

/* The errno of a status, which is 0 or a negative errno. */
static int errno_of(int32_t status) { return status > 0 || status == INT32_MIN ? EPROTO : -status; }

/* The kernel's errno and error message in an NLMSG_ERROR. */
static int read_error(const struct nlmsghdr *header, struct bytes payload, struct buffer *explanation) {
  int32_t status;
  if (payload.length < sizeof(struct nlmsgerr)) return EPROTO;
  memcpy(&status, payload.data, sizeof status);
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return errno_of(status);
  struct nlmsghdr request;
  memcpy(&request, payload.data + sizeof status, sizeof request);
  /* Unless capped, the whole request precedes the attributes. */
  size_t skip = sizeof status + ((header->nlmsg_flags & NLM_F_CAPPED) != 0 ? sizeof request : NLMSG_ALIGN((size_t)request.nlmsg_len));
  if (skip > payload.length) return errno_of(status);
  struct bytes attributes = {payload.data + skip, payload.length - skip}, content;
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (type != NLMSGERR_ATTR_MSG || content.length == 0) continue;
    buffer_append(explanation, content.data, strnlen((const char *)content.data, content.length));
  }
  return errno_of(status);
}

/* Reads one datagram from the kernel. Returns its length, or -1 with errno. */
static ssize_t receive_datagram(int descriptor, struct buffer *buffer) {
  for (;;) {
    struct sockaddr_nl from = {0};
    socklen_t from_length = sizeof from;
    ssize_t length = recvfrom(descriptor, buffer->data, buffer->capacity, MSG_TRUNC, (struct sockaddr *)&from, &from_length);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return -1;
    /* Any process may send datagrams to this socket; only port 0 is the kernel. */
    if (from.nl_pid != 0) continue;
    if ((size_t)length > buffer->capacity) {
      errno = EMSGSIZE;
      return -1;
    }
    return length;
  }
}

bool rtnetlink_take_datagram(struct bytes datagram, rtnetlink_receive *receive, void *context, struct buffer *explanation,
                             struct rtnetlink_answer *answer) {
  struct nlmsghdr header;
  while (datagram.length >= sizeof header) {
    memcpy(&header, datagram.data, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.length) {
      answer->error = EPROTO;
      return true;
    }
    struct bytes payload = {datagram.data + sizeof header, header.nlmsg_len - sizeof header};
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) answer->is_inconsistent = true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      answer->error = read_error(&header, payload, explanation);
      return true;
    }
    if (header.nlmsg_type == NLMSG_DONE) {
      int32_t status = 0;
      if (payload.length >= sizeof status) memcpy(&status, payload.data, sizeof status);
      answer->error = status < 0 ? errno_of(status) : answer->is_inconsistent ? EAGAIN : 0;
      return true;
    }
    if (receive != NULL && header.nlmsg_type >= NLMSG_MIN_TYPE) receive(&header, payload, context);
    size_t taken = NLMSG_ALIGN((size_t)header.nlmsg_len);
    if (taken > datagram.length) taken = datagram.length;
    datagram.data += taken;
    datagram.length -= taken;
  }
  return false;
}

int rtnetlink_ask(int descriptor, struct buffer *message, rtnetlink_receive *receive, void *context,
                  struct buffer *explanation) {
  struct nlmsghdr header;
  memcpy(&header, message->data, sizeof header);
  bool dump = (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (!dump) header.nlmsg_flags |= NLM_F_ACK;
  header.nlmsg_len = (uint32_t)message->length;
  memcpy(message->data, &header, sizeof header);

  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do {
    sent = sendto(descriptor, message->data, message->length, 0, (struct sockaddr *)&kernel, sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno;

  struct buffer received = {0};
  buffer_reserve(&received, RECEIVE_BYTES);
  struct rtnetlink_answer answer = {0};
  bool complete = false;
  int64_t until = clock_micros() + ANSWER_SECONDS * MICROS_PER_SECOND;
  while (!complete) {
    if (clock_micros() >= until) {
      answer.error = ETIMEDOUT;
      break;
    }
    ssize_t length = receive_datagram(descriptor, &received);
    if (length < 0) {
      answer.error = errno == EAGAIN ? ETIMEDOUT : errno;
      break;
    }
    struct bytes datagram = {received.data, (size_t)length};
    complete = rtnetlink_take_datagram(datagram, receive, context, explanation, &answer);
  }
  buffer_free(&received);
  return answer.error;
}
