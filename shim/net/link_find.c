/* Finds one link by name: its index and hardware address. */
#include "net/link_find.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/rtnetlink.h"

int link_find(int descriptor, struct bytes if_name, struct found_link *link, struct buffer *explanation) {
  struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
  struct buffer message = {0};
  char name[IFNAMSIZ] = {0};
  *link = (struct found_link){0};
  if (if_name.length >= sizeof name) return ENODEV;
  memcpy(name, if_name.data, if_name.length);
  rtnetlink_begin(&message, RTM_GETLINK, 0, &fixed, sizeof fixed);
  rtnetlink_attribute(&message, IFLA_IFNAME, name, if_name.length + 1);
  int error = rtnetlink_ask(descriptor, &message, link_find_take, link, explanation);
  buffer_free(&message);
  return error == 0 && link->index == 0 ? ENODEV : error;
}

void link_find_take(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct found_link *link = context;
  struct ifinfomsg fixed;
  if (header->nlmsg_type != RTM_NEWLINK || payload.length < sizeof fixed) return;
  memcpy(&fixed, payload.data, sizeof fixed);
  *link = (struct found_link){.index = (uint32_t)fixed.ifi_index};
  struct bytes attributes = {payload.data + sizeof fixed, payload.length - sizeof fixed}, content;
  uint16_t type;
  while (rtnetlink_take_attribute(&attributes, &type, &content)) {
    if (type != IFLA_ADDRESS || content.length > sizeof link->address) continue;
    link->address_length = (uint8_t)content.length;
    if (content.length > 0) memcpy(link->address, content.data, content.length);
  }
}
