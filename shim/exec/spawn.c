/* Starts one process cheaply: the child shares the shim's memory until it executes the plugin. */
#include "exec/spawn.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs in the child, in the memory of the suspended shim: it may only make system calls, and must leave no state changed. */
static _Noreturn void become(const struct spawn *spawn, pid_t parent, volatile int *error) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  char *const arguments[] = {(char *)(uintptr_t)spawn->file, NULL};
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && setpgid(0, 0) == 0 &&
      /* The shim may have died before prctl() took effect. */
      getppid() == parent && dup2(spawn->descriptors[0], STDIN_FILENO) >= 0 &&
      dup2(spawn->descriptors[1], STDOUT_FILENO) >= 0 && dup2(spawn->descriptors[2], STDERR_FILENO) >= 0 &&
      sigaction(SIGPIPE, &standard, NULL) == 0 && sigprocmask(SIG_SETMASK, spawn->signal_mask, NULL) == 0) {
    execve(spawn->file, arguments, spawn->environment);
  }
  *error = errno == 0 ? ECHILD : errno;
  _exit(127);
}

pid_t spawn_process(const struct spawn *spawn) {
  volatile int error = 0;
  pid_t parent = getpid();
  errno = 0;
  pid_t child = vfork();
  if (child == 0) become(spawn, parent, &error);
  if (child < 0 || error == 0) return child;
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  errno = error;
  return -1;
}
