/* Receives signals through a descriptor, so that one poll() covers them. */
#include "base/signals.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/failure.h"

void signals_take(struct signals *signals) {
  struct sigaction ignore, standard;
  memset(&ignore, 0, sizeof ignore);
  memset(&standard, 0, sizeof standard);
  ignore.sa_handler = SIG_IGN;
  standard.sa_handler = SIG_DFL;
  sigset_t taken;
  if (sigemptyset(&taken) != 0 || sigaddset(&taken, SIGCHLD) != 0 || sigaddset(&taken, SIGTERM) != 0 ||
      sigaddset(&taken, SIGINT) != 0 || sigaddset(&taken, SIGHUP) != 0 ||
      /* A parent may have left SIGCHLD ignored; then the kernel would discard the exit status of children. */
      sigaction(SIGPIPE, &ignore, NULL) != 0 || sigaction(SIGCHLD, &standard, NULL) != 0 ||
      sigprocmask(SIG_BLOCK, &taken, &signals->original_mask) != 0) {
    fail_errno(CNI_INTERNAL, "cannot set up signals", errno);
  }
  signals->fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals->fd < 0) fail_errno(CNI_INTERNAL, "signalfd", errno);
}

int signals_read(const struct signals *signals, bool *child) {
  int end = 0;
  struct signalfd_siginfo info[4];
  for (;;) {
    ssize_t length = read(signals->fd, info, sizeof info);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return end;
    if (length < 0) fail_errno(CNI_INTERNAL, "reading signals", errno);
    size_t count = (size_t)length / sizeof info[0];
    for (size_t i = 0; i < count; i++) {
      if (info[i].ssi_signo == SIGCHLD) {
        *child = true;
      } else {
        end = (int)info[i].ssi_signo;
      }
    }
    if (count < sizeof info / sizeof info[0]) return end;
  }
}

enum wait signals_wait(const struct signals *signals, int fd, int timeout) {
  /* poll() passes over negative descriptors. */
  struct pollfd waits[] = {{.fd = signals->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  bool child;
  if (poll(waits, 2, timeout) < 0) return errno == EINTR ? WAIT_OVER : WAIT_SIGNALLED;
  if (waits[0].revents != 0 && signals_read(signals, &child) != 0) {
    errno = EINTR;
    return WAIT_SIGNALLED;
  }
  return waits[1].revents != 0 ? WAIT_READABLE : WAIT_OVER;
}
