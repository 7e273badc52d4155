/* rtnetlink: work over a socket in another network namespace; messages to the kernel, and its answers. */
#include "net/rtnetlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/files.h"
#include "net/netns.h"

enum {
  /* The largest datagram that the kernel sends of a dump. */
  RECEIVE_BYTES = 32 * 1024,
  /* Time limit for each datagram, and for the whole answer: the owner of a namespace may fill it with addresses and routes. */
  ANSWER_SECONDS = 5,
};

/* A time limit for answers, and the kernel's error messages. Connected to the kernel, the socket takes nothing that another process sends to it, which
 * could fill it until answers are lost. 0 or an errno. */
static int prepare(int descriptor) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct timeval patience = {.tv_sec = ANSWER_SECONDS};
  int on = 1;
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) return errno;
  /* Kernels before 4.12 lack NETLINK_EXT_ACK and send only the errno. */
  if (setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on) != 0 && errno != ENOPROTOOPT) return errno;
  return connect(descriptor, (struct sockaddr *)&kernel, sizeof kernel) == 0 ? 0 : errno;
}

const char *rtnetlink_do(struct bytes netns, const char *about, struct bytes if_name, rtnetlink_work *work, void *context, struct buffer *problem) {
  struct rtnetlink rtnetlink = {
      .descriptor = netns_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, problem),
      .doing = "preparing a netlink socket",
  };
  if (rtnetlink.descriptor < 0) return "netns";
  int error = prepare(rtnetlink.descriptor);
  if (error == 0) error = work(&rtnetlink, context);
  file_close(&rtnetlink.descriptor);
  if (error != 0) {
    buffer_print(problem, "%s%.*s in %.*s: %s: %s", about, BYTES_TEXT(if_name), BYTES_TEXT(netns), rtnetlink.doing, strerror(error));
    if (rtnetlink.explanation.length > 0) buffer_say(problem, " (", buffer_text(&rtnetlink.explanation), ")");
  }
  buffer_free(&rtnetlink.explanation);
  return error == 0 ? NULL : "failed";
}

int rtnetlink_open(struct rtnetlink *rtnetlink, uint32_t groups) {
  struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_groups = groups};
  *rtnetlink = (struct rtnetlink){.doing = "preparing a netlink socket"};
  rtnetlink->descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (rtnetlink->descriptor < 0) return errno;
  if (groups != 0 && bind(rtnetlink->descriptor, (struct sockaddr *)&own, sizeof own) != 0) return errno;
  return prepare(rtnetlink->descriptor);
}

void rtnetlink_close(struct rtnetlink *rtnetlink) {
  file_close(&rtnetlink->descriptor);
  buffer_free(&rtnetlink->explanation);
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

size_t rtnetlink_nest(struct buffer *message, uint16_t type) {
  size_t begin = message->length;
  rtnetlink_attribute(message, type, NULL, 0);
  return begin;
}

void rtnetlink_nest_end(struct buffer *message, size_t begin) {
  struct rtattr attribute;
  memcpy(&attribute, message->data + begin, sizeof attribute);
  attribute.rta_len = (unsigned short)(message->length - begin);
  memcpy(message->data + begin, &attribute, sizeof attribute);
}

void rtnetlink_end(struct buffer *message, uint16_t flags) {
  struct nlmsghdr header;
  memcpy(&header, message->data, sizeof header);
  header.nlmsg_flags |= flags;
  header.nlmsg_len = (uint32_t)message->length;
  memcpy(message->data, &header, sizeof header);
}

bool rtnetlink_take_attribute(struct bytes *attributes, uint16_t *type, struct bytes *content) {
  struct rtattr attribute;
  if (attributes->length < sizeof attribute) return false;
  memcpy(&attribute, attributes->data, sizeof attribute);
  if (attribute.rta_len < sizeof attribute || attribute.rta_len > attributes->length) return false;
  *type = (uint16_t)(attribute.rta_type & NLA_TYPE_MASK);
  *content = (struct bytes){attributes->data + sizeof attribute, attribute.rta_len - sizeof attribute};
  bytes_skip(attributes, RTA_ALIGN((size_t)attribute.rta_len));
  return true;
}

bool rtnetlink_find_attribute(struct bytes attributes, uint16_t wanted, struct bytes *content) {
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, content)) {
    if (type == wanted) return true;
  }
  return false;
}

/* The errno of a status, which is 0 or a negative errno. */
static int errno_of(int32_t status) { return status > 0 || status == INT32_MIN ? EPROTO : -status; }

/* The kernel's errno and error message in an NLMSG_ERROR. */
static int read_error(const struct nlmsghdr *header, struct bytes payload, struct buffer *explanation) {
  int32_t status;
  struct nlmsghdr request;
  if (payload.length < sizeof(struct nlmsgerr)) return EPROTO;
  memcpy(&status, payload.data, sizeof status);
  memcpy(&request, payload.data + sizeof status, sizeof request);
  /* Unless capped, the whole request precedes the attributes. */
  bytes_skip(&payload, sizeof status + ((header->nlmsg_flags & NLM_F_CAPPED) != 0 ? sizeof request : NLMSG_ALIGN((size_t)request.nlmsg_len)));
  struct bytes content;
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) != 0 && rtnetlink_find_attribute(payload, NLMSGERR_ATTR_MSG, &content) && content.length > 0) {
    buffer_append(explanation, content.data, strnlen((const char *)content.data, content.length));
  }
  return errno_of(status);
}

/* Reads one datagram from the kernel. Returns its length, or -1 with errno; EAGAIN: none came in time. */
static ssize_t receive_datagram(int descriptor, struct buffer *buffer, int64_t until) {
  for (;;) {
    if (clock_micros() >= until) {
      errno = EAGAIN;
      return -1;
    }
    struct sockaddr_nl from = {0};
    socklen_t from_length = sizeof from;
    ssize_t length = recvfrom(descriptor, buffer->data, buffer->capacity, MSG_TRUNC, (struct sockaddr *)&from, &from_length);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return -1;
    /* The owner of the namespace may send events to its groups without end; only port 0 is the kernel. */
    if (from.nl_pid != 0) continue;
    if ((size_t)length <= buffer->capacity) return length;
    errno = EMSGSIZE;
    return -1;
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
    bytes_skip(&datagram, NLMSG_ALIGN((size_t)header.nlmsg_len));
  }
  return false;
}

int rtnetlink_wait(struct rtnetlink *rtnetlink, int64_t until, rtnetlink_receive *receive, void *context) {
  struct pollfd ready = {.fd = rtnetlink->descriptor, .events = POLLIN};
  int64_t now = clock_micros();
  /* There may always be another event. */
  if (now >= until) return ETIMEDOUT;
  int count = poll(&ready, 1, clock_poll_timeout(now, until));
  if (count == 0 || (count < 0 && errno == EINTR)) return clock_micros() < until ? 0 : ETIMEDOUT;
  if (count < 0) return errno;
  struct buffer received = {0};
  struct rtnetlink_answer ignored = {0};
  buffer_reserve(&received, RECEIVE_BYTES);
  ssize_t length = receive_datagram(rtnetlink->descriptor, &received, until);
  int error = length >= 0 ? 0 : errno == EAGAIN ? ETIMEDOUT : errno;
  if (error == 0) (void)rtnetlink_take_datagram((struct bytes){received.data, (size_t)length}, receive, context, &rtnetlink->explanation, &ignored);
  buffer_free(&received);
  return error;
}

int rtnetlink_ask(struct rtnetlink *rtnetlink, struct buffer *message, rtnetlink_receive *receive, void *context) {
  struct nlmsghdr header;
  memcpy(&header, message->data, sizeof header);
  rtnetlink_end(message, (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ? 0 : NLM_F_ACK);
  rtnetlink->explanation.length = 0;

  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do {
    sent = sendto(rtnetlink->descriptor, message->data, message->length, 0, (struct sockaddr *)&kernel, sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno;

  struct buffer received = {0};
  buffer_reserve(&received, RECEIVE_BYTES);
  struct rtnetlink_answer answer = {0};
  bool complete = false;
  int64_t until = clock_micros() + ANSWER_SECONDS * MICROS_PER_SECOND;
  while (!complete) {
    ssize_t length = receive_datagram(rtnetlink->descriptor, &received, until);
    if (length < 0) {
      answer.error = errno == EAGAIN ? ETIMEDOUT : errno;
      break;
    }
    complete = rtnetlink_take_datagram((struct bytes){received.data, (size_t)length}, receive, context, &rtnetlink->explanation, &answer);
  }
  buffer_free(&received);
  return answer.error;
}

int rtnetlink_dump(struct rtnetlink *rtnetlink, uint16_t type, const void *fixed, size_t size, struct buffer *collected, rtnetlink_receive *receive,
                   void *context) {
  struct buffer message = {0};
  int error = EAGAIN;
  for (int attempt = 0; error == EAGAIN && attempt < RTNETLINK_DUMP_ATTEMPTS; attempt++) {
    if (collected != NULL) collected->length = 0;
    rtnetlink_begin(&message, type, NLM_F_DUMP, fixed, size);
    error = rtnetlink_ask(rtnetlink, &message, receive, context);
  }
  buffer_free(&message);
  return error;
}
