/* Work over a netlink socket in another network namespace. */
#include "net/netlink_call.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/netns.h"
#include "net/rtnetlink.h"

enum netlink_outcome netlink_call(struct bytes netns, const char *about, struct bytes if_name, netlink_work *work, void *context,
                                  struct buffer *problem) {
  struct netlink_call call = {.descriptor = netns_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, problem)};
  if (call.descriptor < 0) return NETLINK_NO_NETNS;
  call.doing = "preparing a netlink socket";
  int error = rtnetlink_prepare(call.descriptor);
  if (error == 0) error = work(&call, context);
  if (close(call.descriptor) != 0 && error == 0) {
    call.doing = "closing a netlink socket";
    error = errno;
  }
  if (error != 0) {
    buffer_say(problem, about);
    buffer_append_bytes(problem, if_name);
    buffer_say(problem, " in ");
    buffer_append_bytes(problem, netns);
    buffer_say(problem, ": ", call.doing, ": ", strerror(error));
    if (call.explanation.length > 0) buffer_say(problem, " (", buffer_text(&call.explanation), ")");
  }
  buffer_free(&call.explanation);
  return error == 0 ? NETLINK_DONE : NETLINK_FAILED;
}
