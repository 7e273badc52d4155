/* Settings of links below /proc/sys/net, in the namespace that the process is in. */
#include "net/link_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/files.h"

static bool read_number(const char *path, char *value) {
  char content[3] = {0};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, content, sizeof content);
  file_close(&fd);
  *value = content[0];
  return length == 1 || (length == 2 && content[1] == '\n');
}

static const char *path_of(struct buffer *path, const char *table, const char *link, const char *name) {
  buffer_say(path, "/proc/sys/net/", table, "/", link, "/", name);
  return buffer_text(path);
}

bool link_setting_read(const char *table, const char *link, const char *name, char *value) {
  struct buffer path = {0};
  bool is_read = read_number(path_of(&path, table, link, name), value);
  buffer_free(&path);
  return is_read;
}

int link_setting_write(const char *table, const char *link, const char *name, const char *value) {
  struct buffer path = {0};
  int fd = open(path_of(&path, table, link, name), O_WRONLY | O_CLOEXEC);
  int error = fd >= 0 && file_write(fd, value, strlen(value)) ? 0 : errno;
  file_close(&fd);
  buffer_free(&path);
  return error;
}

bool link_setting_forwards(int family) {
  char value;
  return read_number(family == AF_INET ? "/proc/sys/net/ipv4/ip_forward" : "/proc/sys/net/ipv6/conf/all/forwarding", &value) && value == '1';
}
