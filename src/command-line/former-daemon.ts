/** The flags of Go multus 3.9's multus-daemon: an installer, as thin_entrypoint is since 4.0, under the name that the daemon has had since. */

import { basename } from "node:path";

/** By flag with a value: what the thin entrypoint calls it; undefined: it has nothing like it. */
export const formerDaemonValues: Readonly<Record<string, string | undefined>> = {
  "cni-config-dir": "cni-conf-dir",
  "additional-bin-dir": "additional-bin-dir",
  "multus-autoconfig-dir": "multus-autoconfig-dir",
  "cni-version": "cni-version",
  "multus-conf-file": "multus-conf-file",
  "global-namespaces": "global-namespaces",
  "multus-log-file": "multus-log-file",
  "multus-log-level": "multus-log-level",
  "multus-kubeconfig-file-host": "multus-kubeconfig-file-host",
  "multus-master-cni-file": "multus-master-cni-file-name",
  "readiness-indicator-file": "readiness-indicator-file",
  "multus-log-max-size": undefined,
  "multus-log-max-age": undefined,
  "multus-log-max-backups": undefined,
};

/** The same by flag that is true or false. */
export const formerDaemonSwitches: Readonly<Record<string, string | undefined>> = {
  "namespace-isolation": "namespace-isolation",
  "multus-log-to-stderr": "multus-log-to-stderr",
  "override-network-name": "override-network-name",
  "multus-log-compress": undefined,
};

/** Is it called as that program, with a flag that it has not had since? @param program path @param args behind it */
export function isFormerDaemon(program: string, args: readonly string[]): boolean {
  if (basename(program) !== "multus-daemon") return false;
  return args.some((argument) => {
    const [, name = ""] = /^--?([a-z-]+)(?:=|$)/.exec(argument) ?? [];
    return Object.hasOwn(formerDaemonValues, name) || Object.hasOwn(formerDaemonSwitches, name);
  });
}
