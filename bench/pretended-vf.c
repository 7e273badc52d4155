/*
 * A plugin that pretends to be SR-IOV's: it takes as long as the driver that moves a VF, and its result is that of a VF with a driver of user space, which has no
 * link in the pod. It refuses to be asked for no device, as the real one does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A VF's cost to the kernel: the link moves into the pod, and the PF's driver sets VLAN, MAC and trust. */
enum { milliseconds = 15, longest_input = 1 << 20 };

static char input[longest_input + 1];

static size_t read_input(void) {
  size_t length = 0;
  while (length < longest_input) {
    const ssize_t count = read(0, input + length, longest_input - length);
    if (count <= 0) break;
    length += (size_t)count;
  }
  return length;
}

int main(void) {
  const char *const command = getenv("CNI_COMMAND");
  const size_t length = read_input();
  input[length] = '\0';
  if (command == NULL) return 1;
  if (strcmp(command, "VERSION") == 0) {
    puts("{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.3.1\",\"0.4.0\",\"1.0.0\"]}");
    return 0;
  }
  const char key[] = "\"deviceID\":\"";
  const char *const found = strstr(input, key);
  const char *const device = found == NULL ? "" : found + sizeof key - 1;
  const size_t device_length = strcspn(device, "\"\\");
  if (device_length == 0 || device_length > 64) {
    puts("{\"cniVersion\":\"1.0.0\",\"code\":7,\"msg\":\"VF pci addr is required\"}");
    return 1;
  }
  const struct timespec pause = {.tv_nsec = milliseconds * 1000000L};
  nanosleep(&pause, NULL);
  if (strcmp(command, "ADD") == 0) {
    printf("{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"%s\",\"sandbox\":\"%s\",\"pciID\":\"%.*s\"}]}\n", getenv("CNI_IFNAME"),
           getenv("CNI_NETNS"), (int)device_length, device);
  }
  return 0;
}
