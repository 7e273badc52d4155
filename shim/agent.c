/* `multus agent`: carries out orders from an inherited socket. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exec/ask.h"
#include "base/failure.h"
#include "net/netns.h"

/* Makes `directory` the root of every path: plugins, the files that they read, and the namespaces that orders name. */
static void change_root(const char *directory) {
  struct buffer problem = {0};
  /* Before chroot(): there may be no /proc below it. */
  if (!netns_open_own(&problem)) fail(CNI_IO_FAILURE, buffer_text(&problem), "");
  if (chroot(directory) == 0 && chdir("/") == 0) return;
  int error = errno;
  buffer_say(&problem, "multus agent cannot make ", directory, " its root directory");
  fail_errno(CNI_IO_FAILURE, buffer_text(&problem), error);
}

int agent_run(int fd, const char *path, const char *root, bool plays_runtime) {
  struct signals signals;
  struct plugin_directories directories = {0};
  struct connection connection = {.fd = fd};
  failure_use_stderr();
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) fail_errno(CNI_IO_FAILURE, "the descriptor of multus agent", errno);
  int type;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) fail_errno(CNI_IO_FAILURE, "the descriptor of multus agent", errno);
  /* Before chroot(): there may be no /proc below `root`. */
  if (!plays_runtime) plugin_directories_leave_out_own(&directories);
  if (root != NULL) change_root(root);
  signals_take(&signals);
  plugin_directories_allow(&directories, bytes_of_text(path));
  struct buffer hello = {0}, nothing = {0};
  ask_append_hello(&hello, "agent", NULL);
  connection_queue(&connection, &hello, &nothing);

  struct permissions permissions =
      permissions_of_agent(&directories, plays_runtime ? ENVIRONMENT_OF_PLAYED_RUNTIME : ENVIRONMENT_OF_AGENT);
  struct serve_result result = serve(&connection, &permissions, &signals, 0);
  int exit_code = 0;
  switch (result.end) {
    case SERVE_REPLIED:
      /* The daemon has refused this agent: another version. */
      exit_code = write_all(STDERR_FILENO, result.output.data, result.output.length) ? result.exit_code : 1;
      break;
    case SERVE_BROKEN:
      fail(CNI_INTERNAL, "multus agent was sent something that is not the protocol", buffer_text(&result.problem));
    case SERVE_SIGNALLED:
      exit_code = 1;
      break;
    case SERVE_DAEMON_GONE:
    case SERVE_DAEMON_HANGS:
      break;
  }
  buffer_free(&result.output);
  buffer_free(&result.problem);
  buffer_free(&directories.allowed);
  permissions_free(&permissions);
  connection_free(&connection);
  return exit_code;
}
