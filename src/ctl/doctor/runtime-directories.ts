/** Checks whether a container runtime's directories agree with Multus's. */

import { resolve } from "node:path";
import type { CheckFindings } from "./finding.ts";

/** Directories by a runtime's configuration, or its defaults. */
export interface RuntimeDirectories {
  /** Name of the runtime: `containerd`. */
  readonly name: string;
  /** Its directory of network configurations; "" if unknown. */
  readonly confDir: string;
  /** The setting's name: `conf_dir of /etc/containerd/config.toml`. */
  readonly confDirKey: string;
  /** Its directories of plugins; empty if unknown. */
  readonly binDirs: readonly string[];
  readonly binDirsKey: string;
}

/** @param findings of the check of the runtime @param confDir directory of Multus's file @param binDir directory of Multus's plugin */
export function checkDirectories(
  findings: CheckFindings,
  runtime: RuntimeDirectories,
  confDir: string,
  binDir: string,
): void {
  const { name, confDirKey, binDirs, binDirsKey } = runtime;
  if (runtime.confDir !== "" && !isSamePath(runtime.confDir, confDir)) {
    findings.fail(
      `${confDirKey} is ${runtime.confDir}, and Multus's file is in ${confDir}`,
      "have Multus write into the same directory: cniConfigDir and multusAutoconfigDir, --cni-conf-dir here",
    );
  }
  if (binDirs.length > 0 && !binDirs.some((each) => isSamePath(each, binDir))) {
    findings.fail(
      `${binDirsKey} is ${binDirs.join(", ")}, and Multus is installed in ${binDir}`,
      `install it into a directory that ${name} searches: multusctl install --cni-bin-dir`,
    );
  }
}

/** @param left @param right absolute paths */
function isSamePath(left: string, right: string): boolean {
  return resolve(left) === resolve(right);
}
