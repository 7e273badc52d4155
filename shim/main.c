/* The entry point of the plugin binary: chooses its role (plugin, agent, probe, passthru) and runs it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "exec/environment.h"
#include "roles.h"

static const struct program multus = {
    .name = "multus",
    .purpose = "attaches a pod to several networks",
    .help = "\n"
            "A container runtime runs it with CNI_COMMAND and the other CNI_ variables set and a network\n"
            "configuration on stdin. It passes the request to multusd on /run/multus/multus.sock (or\n"
            "multus.sock in the directory that `daemonSocketDir` of the configuration names) and carries out\n"
            "multusd's orders. If no daemon serves the socket, it runs `daemonCommand` of the configuration.\n"
            "\n"
            "Installed as passthru it is another plugin, which only passes on the previous plugin's result.\n"
            "\n"
            "  multus --version            print this binary's version\n"
            "  multus --help               print this text\n"
            "  multus probe live|ready|startup [--socket-dir DIR] [--timeout SECONDS]\n"
            "                              for the kubelet: ask the daemon whether it lives, or is ready; exit\n"
            "                              code 0 is yes, 1 is no or no answer in that time (5 s if not given)\n"
            "  multus agent --path DIR[:DIR] [--chroot ROOT] [--fd N] [--as-runtime]\n"
            "                              serve orders on the socket that is open as N (0 if not given),\n"
            "                              with plugins from these directories, all paths below ROOT; used\n"
            "                              by multusd. With --as-runtime they are no delegates, and\n"
            "                              multus may be one of them; used by multusctl try\n",
};

/* Opens those of the descriptors 0, 1 and 2 that the runtime has left closed: a pipe would get such a number and be taken for stdout. */
static void open_standard_descriptors(void) {
  for (int fd = 0; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    /* The lowest free number is this one. */
    if (open("/dev/null", O_RDWR) != fd) _exit(1);
  }
}

/* Answers a delegate that has started this binary as its plugin, and returns the exit code. Reads nothing of the configuration: it may come
 * from the author of a network, and the shim would run the programs that it names. */
static int refuse_delegate(void) {
  /* No ADD has succeeded, so there is nothing to undo, and a pod must be deletable. */
  if (strcmp(getenv("CNI_COMMAND"), "DEL") == 0) return 0;
  fail(CNI_INVALID_NETWORK_CONFIG, "Multus cannot be a delegate of Multus: a plugin that Multus runs has started it",
       "A network configuration names this plugin as its type, as a plugin of its list, as its IPAM or as its delegate (the environment "
       "has " ENVIRONMENT_DELEGATE_MARK ").");
}

int main(int count, char **values) {
  int exit_code;
  open_standard_descriptors();
  /* First: as passthru it never asks a daemon, regardless of its environment and its configuration. */
  if (count > 0 && passthru_is(values[0])) return passthru_run(count - 1, values + 1);
  if (count > 1 && strcmp(values[1], "agent") == 0) return agent_run(&multus, count - 2, values + 2);
  if (count > 1 && strcmp(values[1], "probe") == 0) return probe_run(&multus, count - 2, values + 2);
  if (program_answers(&multus, count - 1, values + 1, &exit_code)) return exit_code;
  if (getenv(ENVIRONMENT_DELEGATE_MARK) != NULL) return refuse_delegate();
  return call_run();
}
