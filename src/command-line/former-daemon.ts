/** The flags of multus-daemon in Go multus 3.9. It was an installer then; since 4.0 the installer is thin_entrypoint, and multus-daemon is the daemon. */

import { basename } from "node:path";
import type { KnownOption } from "./go-flags.ts";

interface FormerFlag extends KnownOption {
  /** The thin entrypoint's name of it; undefined: it has no such option. */
  readonly thinOption: string | undefined;
}

const values = [
  "additional-bin-dir",
  "multus-autoconfig-dir",
  "cni-version",
  "multus-conf-file",
  "global-namespaces",
  "multus-log-file",
  "multus-log-level",
  "multus-kubeconfig-file-host",
  "readiness-indicator-file",
];
const booleans = ["namespace-isolation", "multus-log-to-stderr", "override-network-name"];

export const formerDaemonFlags: readonly FormerFlag[] = [
  ...values.map((name) => ({ name, takes: "value", thinOption: name }) as const),
  ...booleans.map((name) => ({ name, takes: "boolean", thinOption: name }) as const),
  { name: "cni-config-dir", takes: "value", thinOption: "cni-conf-dir" },
  { name: "multus-master-cni-file", takes: "value", thinOption: "multus-master-cni-file-name" },
  { name: "multus-log-max-size", takes: "value", thinOption: undefined },
  { name: "multus-log-max-age", takes: "value", thinOption: undefined },
  { name: "multus-log-max-backups", takes: "value", thinOption: undefined },
  { name: "multus-log-compress", takes: "boolean", thinOption: undefined },
];

/** Is it called as that program, with a flag that it has not had since? @param program path @param args behind it */
export function isFormerDaemon(program: string, args: readonly string[]): boolean {
  if (basename(program) !== "multus-daemon") return false;
  return args.some((argument) => {
    const [, name = ""] = /^--?([a-z-]+)(?:=|$)/.exec(argument) ?? [];
    return formerDaemonFlags.some((flag) => flag.name === name);
  });
}
