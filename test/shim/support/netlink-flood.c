/* Sends datagrams to the rtnetlink socket of a process, as the owner of a network namespace may: `netlink-flood PID`, in that namespace, without end. */
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int count, char **arguments) {
  struct sockaddr_nl to = {.nl_family = AF_NETLINK};
  struct nlmsghdr message = {.nlmsg_len = sizeof message, .nlmsg_type = NLMSG_MIN_TYPE};
  int flood = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (count != 2 || flood < 0) return EXIT_FAILURE;
  to.nl_pid = (unsigned)strtoul(arguments[1], NULL, 10);
  (void)puts("begins");
  (void)fflush(stdout);
  /* ECONNREFUSED: it has no such socket yet; EAGAIN: it is full. */
  for (;;) (void)sendto(flood, &message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
}
