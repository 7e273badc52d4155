/* Starts a program that outlives the shim, and that inherits nothing of the runtime's. */
#include "on_demand/on_demand_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "exec/environment.h"

/* A runtime's environment contains its proxies and credentials. Other variables can be set by env(1) in daemonCommand. */
static const char *const kept[] = {"PATH", "HOME", "LANG", "TZ"};
static const char kept_prefix[] = "MULTUS_";
/* For services without a PATH. */
static char usual_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/* Allocator settings that keep the daemon small; the Dockerfile has the same, and the reason. */
static char one_arena[] = "MALLOC_ARENA_MAX=1";
static char trim_threshold[] = "MALLOC_TRIM_THRESHOLD_=131072";

static bool is_kept(const char *entry) {
  struct bytes name = {(const uint8_t *)entry, strcspn(entry, "=")};
  if (bytes_equal_text(name, ENVIRONMENT_DELEGATE_MARK)) return false;
  if (strncmp(entry, kept_prefix, sizeof kept_prefix - 1) == 0) return true;
  for (size_t i = 0; i < COUNT_OF(kept); i++) {
    if (bytes_equal_text(name, kept[i])) return true;
  }
  return false;
}

/* A list for execve(), freed with free(); its texts belong to the shim's environment. */
static char **make_environment(void) {
  size_t own = 0, count = 0;
  while (environ[own] != NULL) own++;
  char **list = memory_take((own + 4) * sizeof *list);
  for (size_t i = 0; i < own; i++) {
    if (is_kept(environ[i])) list[count++] = environ[i];
  }
  if (getenv("PATH") == NULL) list[count++] = usual_path;
  list[count++] = one_arena;
  list[count++] = trim_threshold;
  list[count] = NULL;
  return list;
}

/* Runs in the child. `report` closes on a successful execve(); otherwise the errno is written to it. */
static _Noreturn void become(char *const *arguments, char *const *environment, int input, int output, int report) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  /* Fails for SIGKILL, SIGSTOP and the C library's own signals, which does not matter. */
  for (int signal = 1; signal < NSIG; signal++) (void)sigaction(signal, &standard, NULL);
  sigset_t none;
  (void)umask(S_IWGRP | S_IWOTH);
  if (sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0 && setsid() >= 0 && chdir("/") == 0 &&
      dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0 &&
      /* A runtime reads until every holder has closed the shim's stdout. execve() closes the shim's own descriptors, the lock's too. */
      file_close_inherited()) {
    (void)execve(arguments[0], arguments, environment);
  }
  int error = errno;
  (void)!write(report, &error, sizeof error);
  _exit(127);
}

pid_t on_demand_start(char *const *arguments, int output) {
  int report[2] = {-1, -1}, error = 0;
  pid_t child = -1;
  int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input >= 0 && pipe2(report, O_CLOEXEC) == 0) {
    char **environment = make_environment();
    child = fork();
    if (child == 0) become(arguments, environment, input, output, report[1]);
    free(environment);
  }
  file_close(&input);
  file_close(&report[1]);
  /* The child's report on its execve(): the errno, or nothing if the program runs. */
  while (child > 0 && read(report[0], &error, sizeof error) < 0 && errno == EINTR) continue;
  file_close(&report[0]);
  if (error == 0) return child;
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  errno = error;
  return -1;
}
