/* The version of this binary, and the supported versions of the CNI spec. */
#include "base/version.h"

/* tools/build/shim.mjs defines it from package.json. */
#ifndef MULTUS_VERSION
#define MULTUS_VERSION "unversioned"
#endif

const char version_of_shim[] = MULTUS_VERSION;

static const char *const supported[] = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
enum { SUPPORTED = sizeof supported / sizeof supported[0] };

void version_append_result(struct buffer *out) {
  buffer_say(out, "{\"cniVersion\":\"", supported[SUPPORTED - 1], "\",\"supportedVersions\":[");
  for (size_t i = 0; i < SUPPORTED; i++) buffer_say(out, i == 0 ? "\"" : ",\"", supported[i], "\"");
  buffer_say(out, "]}\n");
}

bool version_is_supported(struct bytes version) {
  for (size_t i = 0; i < SUPPORTED; i++) {
    if (bytes_equal_text(version, supported[i])) return true;
  }
  return false;
}

void version_append_supported(struct buffer *out) {
  for (size_t i = 0; i < SUPPORTED; i++) buffer_say(out, i == 0 ? "" : ", ", supported[i]);
}

void version_append_about(struct buffer *out) {
  buffer_say(out, "multus ", version_of_shim,
             " (multus-wasm): CNI plugin that attaches a pod to several networks\n"
             "CNI spec versions supported: ");
  version_append_supported(out);
  buffer_say(out, "\n");
}

void version_append_help(struct buffer *out) {
  version_append_about(out);
  buffer_say(out,
             "\n"
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
             "                              multus may be one of them; used by multusctl try\n");
}
