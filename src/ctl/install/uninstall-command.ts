/** `multusctl uninstall`: what install and thin-entrypoint put onto a node goes again. */

import { Command } from "commander";
import { plannedContainers } from "../../multus/plan-file.ts";
import { UserError } from "../user-error.ts";
import { checkDirectory } from "./install.ts";
import { defaultCniBinDir, defaultCniConfDir } from "./node-paths.ts";
import { uninstall } from "./uninstall.ts";

interface UninstallCommandOptions {
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  readonly daemonBinDir?: string;
  readonly cniDir: string;
}

export function uninstallCommand(): Command {
  return new Command("uninstall")
    .summary("take off a node what install and thin-entrypoint put there")
    .description(
      "Removes the plugin binary under both its names, multusd as an executable file, the generated 00-multus.conf or 00-multus.conflist and the kubeconfig. Only what is ours goes, told by " +
        "what is in the file: Go multus's files and a user's stay. A multus or multus-shim that was there before ours is put back.",
    )
    .option("--cni-bin-dir <directory>", "where the plugin binary is", defaultCniBinDir)
    .option("--cni-conf-dir <directory>", "where the runtime's configuration is", defaultCniConfDir)
    .option("--daemon-bin-dir <directory>", "where multusd is (default: --cni-bin-dir)")
    .option(
      "--cni-dir <directory>",
      "the netconf's cniDir, to count the pods that still have networks",
      "/var/lib/cni/multus",
    )
    .addHelpText(
      "after",
      `
First remove the DaemonSet: it would install again, and a multusd that runs keeps its 00-multus.conf.

Pods that run keep all their interfaces. The runtime does not call Multus for them any more: with a pod its network namespace goes, and so do its links, but what plugins keep
elsewhere (addresses of host-local, say) is released only by a DEL through Multus. So drain the node first, or go over to Go multus, which reads the same plans. Plans and results
(cniDir) are never removed.

Exit code 1 where something of ours had to stay: a configuration of the runtime still calls the plugin.

Examples:
  sudo multusctl uninstall --cni-bin-dir /opt/cni/bin --cni-conf-dir /etc/cni/net.d
  multusctl uninstall`,
    )
    .action((options: UninstallCommandOptions) => run(options));
}

/** @throws {UserError} */
function run({ cniBinDir, cniConfDir, daemonBinDir = cniBinDir, cniDir }: UninstallCommandOptions): void {
  checkDirectory(cniBinDir, "--cni-bin-dir");
  checkDirectory(daemonBinDir, "--daemon-bin-dir");
  checkDirectory(cniConfDir, "--cni-conf-dir");
  const files = uninstall({ cniBinDir, cniConfDir, daemonBinDir });
  for (const { path, outcome, because } of files) {
    process.stdout.write(`${path}: ${outcome}${because === "" ? "" : `; ${because}`}\n`);
  }
  if (files.length === 0) process.stdout.write("There is nothing of Multus.\n");
  const pods = plannedContainers(cniDir).length;
  if (pods > 0) {
    process.stdout.write(
      `${cniDir} has the networks of ${pods === 1 ? "one pod" : `${pods} pods`}: left. They keep their interfaces; what their networks' plugins keep elsewhere is released only ` +
        "by a DEL through Multus (multusctl uninstall --help).\n",
    );
  }
  if (!files.some(({ isPending }) => isPending)) return;
  throw new UserError(
    "not all of it could go: the runtime still calls Multus",
    "remove the configuration that is named above, or have another one take its place, and run this again",
  );
}
