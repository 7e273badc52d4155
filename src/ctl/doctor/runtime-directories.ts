/** Do a container runtime's directories agree with those that Multus is in? */

import { resolve } from "node:path";
import type { NodeCheck } from "../text/finding.ts";
import { fail, type NodeFinding } from "./finding.ts";

/** What a runtime's configuration says, or its default. */
export interface RuntimeDirectories {
  /** As a finding's check: `runtime/containerd`. */
  readonly check: NodeCheck;
  /** Of the runtime: `containerd`. */
  readonly name: string;
  /** Where it reads network configurations; "" where that is not known. */
  readonly confDir: string;
  /** What names it: `conf_dir of /etc/containerd/config.toml`. */
  readonly confDirKey: string;
  /** Where it looks for plugins; none where that is not known. */
  readonly binDirs: readonly string[];
  readonly binDirsKey: string;
}

/** @param confDir where Multus's file is @param binDir where Multus is installed */
export function checkDirectories(
  runtime: RuntimeDirectories,
  confDir: string,
  binDir: string,
): NodeFinding[] {
  const { check, name, confDirKey, binDirs, binDirsKey } = runtime;
  const findings: NodeFinding[] = [];
  if (runtime.confDir !== "" && !isSamePath(runtime.confDir, confDir)) {
    findings.push(
      fail(
        check,
        `${confDirKey} is ${runtime.confDir}, and Multus's file is in ${confDir}`,
        "have Multus write into the same directory: cniConfigDir and multusAutoconfigDir, --cni-conf-dir here",
      ),
    );
  }
  if (binDirs.length > 0 && !binDirs.some((each) => isSamePath(each, binDir))) {
    findings.push(
      fail(
        check,
        `${binDirsKey} is ${binDirs.join(", ")}, and Multus is installed in ${binDir}`,
        `install it where ${name} looks: multusctl install --cni-bin-dir`,
      ),
    );
  }
  return findings;
}

/** Both absolute. */
function isSamePath(left: string, right: string): boolean {
  return resolve(left) === resolve(right);
}
