/** Paths on a node, and the same paths in a pod. */

import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where Go multus's manifests mount the node's directories. */
const nodeRoot = "/host";
export const defaultCniBinDir = `${nodeRoot}/opt/cni/bin`;
export const defaultCniConfDir = `${nodeRoot}/etc/cni/net.d`;

/** The path on the node of what a pod sees below /host. */
export function pathOnNode(path: string): string {
  return path.startsWith(`${nodeRoot}/`) ? path.slice(nodeRoot.length) : path;
}

/**
 * Where a directory of the node is for this process: in the daemon's pod below /host, as the manifests mount it, where it has a place of its own there.
 * @param path on the node
 */
export function placeHere(path: string): string {
  const inPod = join(nodeRoot, path);
  return !path.startsWith(`${nodeRoot}/`) && existsSync(inPod) ? inPod : path;
}

/** Multus's kubeconfig, as Go multus has it. @param cniConfDir the runtime's directory */
export function kubeconfigPath(cniConfDir: string): string {
  return join(multusDirectory(cniConfDir), "multus.kubeconfig");
}

/** The configuration of a daemon that is started on demand; no other has this file. */
export function onDemandConfigPath(cniConfDir: string): string {
  return join(multusDirectory(cniConfDir), "on-demand.json");
}

/** Multus's own directory in the runtime's. */
export function multusDirectory(cniConfDir: string): string {
  return join(cniConfDir, "multus.d");
}
