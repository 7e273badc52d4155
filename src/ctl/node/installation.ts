/** Finds the other parts of this build, of which multusctl is one file. */

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { getRawAsset, isSea } from "node:sea";
import { fileURLToPath } from "node:url";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";

/** Parts that multusctl starts, or puts on a node: `multus-amd64` and `multus-arm64` are the plugin binary for that architecture, `multusd` the daemon as one executable. */
export type Part = "multus" | "multus-amd64" | "multus-arm64" | "multusd" | "multusd.mjs";

/** Beside this file where it is the bundle, else in the source tree's build/. */
function candidatesOf(part: Part): string[] {
  const here = dirname(fileURLToPath(import.meta.url));
  return [join(here, part), join(here, "..", "..", "..", "build", part)];
}

/** The plugin binary of the single-file executable, once it was needed as a file. */
let writtenOut: string | undefined;

/** @returns its path, good until this process ends @throws {UserError} if there is no place for temporary files */
function writeOutPlugin(): string {
  if (writtenOut !== undefined) return writtenOut;
  try {
    const directory = mkdtempSync(join(tmpdir(), "multusctl-"));
    process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, "multus");
    writeFileSync(path, new Uint8Array(getRawAsset("multus")), { mode: 0o755 });
    writtenOut = path;
    return path;
  } catch (error) {
    throw new UserError(
      `the plugin in this executable cannot be extracted: ${errorText(error)}`,
      "set TMPDIR to a writable directory",
    );
  }
}

/**
 * The path of a part; undefined if it is not there: not every installation has every part. The single-file executable is the daemon itself, and has the plugin binary inside.
 * @throws {UserError} if what is inside cannot be written out
 */
export function findPart(part: Part): string | undefined {
  if (isSea() && part === "multusd") return process.execPath;
  if (isSea() && part === "multus") return writeOutPlugin();
  return candidatesOf(part).find((path) => existsSync(path));
}

/** @throws {UserError} if it has not been built */
export function partPath(part: Part): string {
  const found = findPart(part);
  if (found !== undefined) return found;
  throw new UserError(
    `${part} is not there (looked for ${candidatesOf(part).join(", ")})`,
    `build it: npm run ${part === "multusd" ? "build:executable" : "build"}`,
  );
}

/** The words of the daemon's command before its options. @throws {UserError} if it has not been built */
export function daemonCommand(): readonly string[] {
  return isSea() ? [process.execPath, "daemon"] : [process.execPath, partPath("multusd.mjs")];
}

/** Where multusd has its socket, plans and results unless its configuration says otherwise. */
export const defaultSocketDir = "/run/multus";
export const defaultCniDir = "/var/lib/cni/multus";
/** Where deploy/ has the certificates of nodes. */
export const defaultCertDir = "/etc/cni/multus/certs";

/** Where a kubelet with its usual directory tells devices: its pod-resources socket, and the directory of its checkpoint and the device plugins' sockets. */
export const defaultPodResourcesSocket = "/var/lib/kubelet/pod-resources/kubelet.sock";
export const defaultDevicePluginsDir = "/var/lib/kubelet/device-plugins";
/** Where device plugins, CNI plugins and Multus have device information files. */
export const defaultDeviceInfoDir = "/var/run/k8s.cni.cncf.io/devinfo";

/** Directories that plugins are usually in: where Kubernetes has them, and Debian's package. */
const pluginDirectories = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

/** Those of the usual plugin directories that are there; the first one if none is. */
export function usualBinDirs(): string[] {
  const present = pluginDirectories.filter((directory) => existsSync(directory));
  return present.length > 0 ? present : pluginDirectories.slice(0, 1);
}

/** A kubelet's directory; kubelets of distributions have it as well. */
const kubeletPods = "/var/lib/kubelet/pods";

/** Is this machine a node of a cluster, so that its plugins are those that pods get? Some are on machines with a container tool, too. */
export function isNode(): boolean {
  return existsSync(kubeletPods);
}

const linksDirectory = "/sys/class/net";

/** Names of this machine's links, where it is a node; undefined: it is none, or they cannot be seen. */
export function linksOfNode(): ReadonlySet<string> | undefined {
  if (!isNode()) return undefined;
  try {
    return new Set(readdirSync(linksDirectory));
  } catch {
    return undefined;
  }
}
