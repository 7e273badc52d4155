/* `multus agent`: carries out orders from an inherited socket. */
#include "roles.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/files.h"
#include "exec/ask.h"
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

/* Serves orders with plugins from the directories of the colon separated `path`. With `root` NULL the root directory stays what it is. */
static int carry_out(int fd, const char *path, const char *root, bool plays_runtime) {
  struct signals signals;
  struct plugin_directories directories = {0};
  struct connection connection = {.fd = fd};
  int type, exit_code = 0;
  socklen_t length = sizeof type;
  failure_use_stderr();
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
    fail_errno(CNI_IO_FAILURE, "the descriptor of multus agent", errno);
  }
  /* Before chroot(): there may be no /proc below `root`. */
  if (!plays_runtime) plugin_directories_leave_out_own(&directories);
  if (root != NULL) change_root(root);
  signals_take(&signals);
  plugin_directories_allow(&directories, bytes_of_text(path));
  ask_append_hello(&connection.out, "agent", NULL);

  struct permissions permissions = permissions_of_agent(&directories, plays_runtime ? ENVIRONMENT_OF_PLAYED_RUNTIME : ENVIRONMENT_OF_AGENT);
  struct serve_result result = serve(&connection, &permissions, &signals, 0);
  if (result.end == SERVE_BROKEN) fail(CNI_INTERNAL, "multus agent was sent something that is not the protocol", buffer_text(&result.problem));
  if (result.end == SERVE_SIGNALLED) exit_code = 1;
  if (result.end == SERVE_REPLIED) {
    /* The daemon has refused this agent: another version. */
    exit_code = file_write(STDERR_FILENO, result.output.data, result.output.length) ? result.reply.exit_code : 1;
  }
  serve_result_free(&result);
  buffer_free(&directories.allowed);
  permissions_free(&permissions);
  connection_free(&connection);
  return exit_code;
}

int agent_run(const struct program *program, int count, char **arguments) {
  const char *path = NULL, *root = NULL, *number = "0";
  /* The programs that it runs are no delegates, and may be this file. */
  bool plays_runtime = false;
  uint32_t fd;
  const struct option options[] = {{"--path", &path, NULL}, {"--chroot", &root, NULL}, {"--fd", &number, NULL}, {"--as-runtime", NULL, &plays_runtime}, {0}};
  const char *problem = program_read_options(count, arguments, options, "agent has the options --path, --chroot, --fd and --as-runtime",
                                             "an option of agent has no value");
  if (problem == NULL && root != NULL && root[0] != '/') problem = "--chroot is not an absolute path";
  if (problem == NULL && !program_read_number(number, 0, 65535, &fd)) problem = "--fd is not a descriptor";
  if (problem == NULL && path == NULL) problem = "agent needs --path";
  return problem == NULL ? carry_out((int)fd, path, root, plays_runtime) : program_refuse(program, problem);
}
