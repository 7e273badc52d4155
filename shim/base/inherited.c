/* Inherited descriptors: no process that outlives the call may keep one open. */
#include "base/inherited.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

bool inherited_close(void) {
  /* List them instead of closing every number up to the limit: containerd's unit has no limit, which is a thousand million on some nodes. */
  DIR *descriptors = opendir("/proc/self/fd");
  if (descriptors == NULL) return false;
  const struct dirent *found;
  while ((found = readdir(descriptors)) != NULL) {
    int fd = atoi(found->d_name);
    if (fd <= STDERR_FILENO) continue;
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) (void)close(fd);
  }
  return closedir(descriptors) == 0;
}
