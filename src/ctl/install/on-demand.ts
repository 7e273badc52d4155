/** Installs an on-demand daemon: its executable, its configuration, and the command in the plugin's configuration. */

import { join } from "node:path";
import { isObjectName } from "../../kube/object-names.ts";
import { UserError } from "../command/user-error.ts";
import { onDemandConfigPath, pathOnNode } from "../node/paths.ts";
import { daemonName } from "../node/program.ts";
import { type InstalledFile, installDaemon } from "./install.ts";
import { writeNodeFile } from "./node-file.ts";
import type { ThinOptions } from "./thin-options.ts";

/** Seconds without a request after which an on-demand daemon exits. */
const idleExitSeconds = 300;

export interface OnDemandDaemon {
  /** The netconf's daemonCommand. */
  readonly command: readonly string[];
  readonly files: readonly InstalledFile[];
}

/**
 * @param source the executable to install
 * @param nodeName the node's name in the cluster, so that the daemon watches its pods; "" if unknown
 * @throws {UserError}
 */
export function prepareOnDemand(
  source: string,
  { daemonBinDir, cniBinDir, cniConfDir, multusKubeconfigFileHost: kubeconfig }: ThinOptions,
  nodeName: string,
): OnDemandDaemon {
  // Refused now rather than by the daemon when a pod needs it.
  if (nodeName !== "" && !isObjectName(nodeName)) {
    throw new UserError(
      `no node's name: ${JSON.stringify(nodeName)}`,
      "set MULTUS_NODE_NAME from spec.nodeName, as deploy/ does",
    );
  }
  const binDir = daemonBinDir ?? cniBinDir;
  const files = installDaemon(source, binDir);
  const path = onDemandConfigPath(cniConfDir);
  const config = { kubeconfig, nodeName: nodeName || undefined, idleExitSeconds };
  writeNodeFile(path, Buffer.from(`${JSON.stringify(config, undefined, 2)}\n`));
  const program = join(pathOnNode(binDir), daemonName);
  return { command: [program, "--config", pathOnNode(path)], files };
}
