/* The entry point of the plugin binary: chooses its role (plugin, agent, probe, passthru) and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "call.h"
#include "wire/connection.h"
#include "exec/environment.h"
#include "base/failure.h"
#include "flags.h"
#include "passthru.h"
#include "probe.h"
#include "base/version.h"

enum { EXIT_USAGE = 2 };

/* Opens those of the descriptors 0, 1 and 2 that the runtime has left closed: a pipe would get such a number and be taken for stdout. */
static void open_standard_descriptors(void) {
  for (int fd = 0; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    /* The lowest free number is this one. */
    if (open("/dev/null", O_RDWR) != fd) _exit(1);
  }
}

static int usage(const char *problem) {
  struct buffer text = {0};
  buffer_say(&text, "multus: ", problem, "\n\n");
  version_append_help(&text);
  (void)print_text(STDERR_FILENO, &text);
  return EXIT_USAGE;
}

static int read_agent_options(int count, char **values) {
  int fd = STDIN_FILENO;
  const char *path = NULL, *root = NULL;
  bool plays_runtime = false;
  for (int i = 0; i < count; i += 2) {
    if (strcmp(values[i], "--as-runtime") == 0) {
      plays_runtime = true;
      i--;
      continue;
    }
    if (i + 1 == count) return usage("an option of agent has no value");
    if (strcmp(values[i], "--path") == 0) {
      path = values[i + 1];
    } else if (strcmp(values[i], "--chroot") == 0) {
      root = values[i + 1];
      if (root[0] != '/') return usage("--chroot is not an absolute path");
    } else if (strcmp(values[i], "--fd") == 0) {
      char *end;
      errno = 0;
      long number = strtol(values[i + 1], &end, 10);
      if (errno != 0 || end == values[i + 1] || *end != 0 || number < 0 || number > 65535) return usage("--fd is not a descriptor");
      fd = (int)number;
    } else {
      return usage("agent has the options --path, --chroot, --fd and --as-runtime");
    }
  }
  if (path == NULL) return usage("agent needs --path");
  return agent_run(fd, path, root, plays_runtime);
}

static int run_probe(int count, char **values) {
  struct probe probe = {.socket_directory = connection_default_directory};
  const char *problem = probe_read_options(count, values, &probe);
  if (problem != NULL) return usage(problem);
  struct buffer socket_path = {0};
  buffer_say(&socket_path, probe.socket_directory, connection_socket_name);
  int exit_code = probe_run(&probe, buffer_text(&socket_path));
  buffer_free(&socket_path);
  return exit_code;
}

/* Answers a delegate that has started this binary as its plugin, and returns the exit code. Reads nothing of the configuration: it may come
 * from the author of a network, and the shim would run the programs that it names. */
static int refuse_delegate(const char *command) {
  /* No ADD has succeeded, so there is nothing to undo, and a pod must be deletable. */
  if (strcmp(command, "DEL") == 0) return 0;
  fail(CNI_INVALID_NETWORK_CONFIG, "Multus cannot be a delegate of Multus: a plugin that Multus runs has started it",
       "A network configuration names this plugin as its type, as a plugin of its list, as its IPAM or as its delegate (the environment "
       "has " ENVIRONMENT_DELEGATE_MARK ").");
}

int main(int count, char **values) {
  struct buffer text = {0};
  open_standard_descriptors();
  /* First: as passthru it never asks a daemon, regardless of its environment and its configuration. */
  if (count > 0 && passthru_is(values[0])) return passthru_run(count - 1, values + 1);
  if (count > 1) {
    if (strcmp(values[1], "agent") == 0) return read_agent_options(count - 2, values + 2);
    if (strcmp(values[1], "probe") == 0) return run_probe(count - 2, values + 2);
    switch (flags_read(count - 1, values + 1)) {
      case FLAGS_NONE:
        break;
      case FLAGS_VERSION:
        version_append_about(&text);
        return print_text(STDOUT_FILENO, &text);
      case FLAGS_HELP:
        version_append_help(&text);
        return print_text(STDOUT_FILENO, &text);
      case FLAGS_UNKNOWN:
        return usage("unknown argument");
    }
  }
  const char *command = getenv("CNI_COMMAND");
  if (command == NULL || command[0] == 0) {
    /* A person runs the binary by hand: answer as libcni's plugins do. */
    version_append_about(&text);
    return print_text(STDERR_FILENO, &text);
  }
  if (strcmp(command, "VERSION") == 0) {
    version_append_result(&text);
    return print_text(STDOUT_FILENO, &text);
  }
  if (getenv(ENVIRONMENT_DELEGATE_MARK) != NULL) return refuse_delegate(command);
  return call_run();
}
