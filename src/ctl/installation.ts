/** Where the other parts of this build are: multusctl is one file among them. */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "./user-error.ts";

/** Parts that multusctl starts, or puts on a node: `multus-amd64` and `multus-arm64` are the plugin binary for that architecture, `multusd` the daemon as one executable. */
export type Part = "multus" | "multus-amd64" | "multus-arm64" | "multusd" | "multusd.mjs";

/** Beside this file where it is the bundle, else in the source tree's build/. */
function candidatesOf(part: Part): string[] {
  const here = dirname(fileURLToPath(import.meta.url));
  return [join(here, part), join(here, "..", "..", "build", part)];
}

/** The path of a part; undefined where it is not there: not every installation has every part. */
export function findPart(part: Part): string | undefined {
  return candidatesOf(part).find((path) => existsSync(path));
}

/**
 * The path of a part.
 * @throws {UserError} where it has not been built
 */
export function partPath(part: Part): string {
  const found = findPart(part);
  if (found !== undefined) return found;
  throw new UserError(
    `${part} is not there (looked for ${candidatesOf(part).join(", ")})`,
    "build it: npm run build",
  );
}

/** Directories that plugins are usually in: where Kubernetes has them, and Debian's package. */
const pluginDirectories = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

/** Those of the usual plugin directories that are there; the first one if none is. */
export function usualBinDirs(): string[] {
  const present = pluginDirectories.filter((directory) => existsSync(directory));
  return present.length > 0 ? present : pluginDirectories.slice(0, 1);
}

/** A kubelet's directory, also where distributions bring their own. */
const kubeletPods = "/var/lib/kubelet/pods";

/** Is this machine a node of a cluster, so that its plugins are those that pods get? Some are on machines with a container tool, too. */
export function isNode(): boolean {
  return existsSync(kubeletPods);
}
