/** `multusctl uninstall`: what install and thin-entrypoint put onto a node goes again. */

import { Command } from "commander";
import { errorText } from "../../log/error-text.ts";
import { readSpool } from "../../multus/spool/spool.ts";
import { plannedContainers } from "../../multus/state/plan-file.ts";
import { answers } from "../../socket/directory.ts";
import { UserError } from "../command/user-error.ts";
import { socketPath } from "../node/daemon-socket.ts";
import { defaultCertDir, defaultCniDir, defaultSocketDir } from "../node/installation.ts";
import { defaultCniBinDir, defaultCniConfDir } from "../node/paths.ts";
import { checkDirectory } from "./install.ts";
import { uninstall } from "./uninstall.ts";

interface UninstallCommandOptions {
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  readonly daemonBinDir?: string;
  readonly socketDir: string;
  readonly certDir: string;
  readonly cniDir: string;
}

export function uninstallCommand(): Command {
  return new Command("uninstall")
    .summary("take off a node what install and thin-entrypoint put there")
    .description(
      "Removes the plugin binary under all its names, multusd as an executable file, the generated 00-multus.conf or 00-multus.conflist, the kubeconfig, and what a daemon has left beside its socket " +
        "and as its certificates. Only what is ours goes, told by what is in the file: Go multus's files and a user's stay. A multus, multus-shim or passthru that was there before ours is put back.",
    )
    .option("--cni-bin-dir <directory>", "where the plugin binary is", defaultCniBinDir)
    .option("--cni-conf-dir <directory>", "where the runtime's configuration is", defaultCniConfDir)
    .option("--daemon-bin-dir <directory>", "where multusd is (default: --cni-bin-dir)")
    .option("--socket-dir <directory>", "the daemon's", defaultSocketDir)
    .option("--cert-dir <directory>", "certDir of perNodeCertificate", defaultCertDir)
    .option(
      "--cni-dir <directory>",
      "the netconf's cniDir: what pods still need is left there",
      defaultCniDir,
    )
    .addHelpText(
      "after",
      `
First remove the DaemonSet: it would install again, and a multusd that runs keeps its 00-multus.conf. Where the DaemonSet is gone and new pods wait ("multusd cannot be reached"), no daemon was there to
remove that file, or none could ask whether its DaemonSet is deleted: this removes it, and new pods get the cluster network.

Pods that run keep all their interfaces. The runtime does not call Multus for them any more: with a pod its network namespace goes, and so do its links, but what plugins keep
elsewhere (addresses of host-local, say) is released only by a DEL through Multus. So drain the node first, or go over to Go multus, which reads the same plans. Plans, results, and
DELs that wait for a daemon (cniDir) are never removed; once there are none, the empty directory is.

Exit code 1 where something of ours had to stay: a configuration of the runtime still calls the plugin, or a daemon runs. One that the plugin has started ends when it is idle for
some minutes; then run it again.

Examples:
  sudo multusctl uninstall --cni-bin-dir /opt/cni/bin --cni-conf-dir /etc/cni/net.d
  multusctl uninstall`,
    )
    .action((options: UninstallCommandOptions) => run(options));
}

/** @throws {UserError} */
async function run(options: UninstallCommandOptions): Promise<void> {
  const { cniBinDir, cniConfDir, daemonBinDir = cniBinDir, socketDir, cniDir } = options;
  checkDirectory(cniBinDir, "--cni-bin-dir");
  checkDirectory(daemonBinDir, "--daemon-bin-dir");
  checkDirectory(cniConfDir, "--cni-conf-dir");
  const socket = socketPath(socketDir);
  const isServed = await answers(socket);
  const files = uninstall({ ...options, daemonBinDir, isServed });
  for (const { path, outcome, because } of files) {
    process.stdout.write(`${path}: ${outcome}${because === "" ? "" : `; ${because}`}\n`);
  }
  if (files.length === 0) process.stdout.write("There is nothing of Multus.\n");
  process.stdout.write(await stateLeft(cniDir));
  const pending = files.filter(({ isPending }) => isPending);
  if (pending.length === 0) return;
  throw new UserError(
    `not all of it could go: ${pending.map(({ path, because }) => `${path} (${because})`).join(", ")}`,
    pending.every(({ path }) => path === socket)
      ? "end the daemon, or wait where the plugin has started it: it ends when it is idle; then run this again"
      : "remove the configuration that is named, or have another one take its place, and run this again",
  );
}

/** What of cniDir is for pods, and stays. @returns text that ends with a newline; "" where there is nothing @throws {UserError} */
async function stateLeft(cniDir: string): Promise<string> {
  let pods = 0;
  for await (const _containerId of plannedContainers(cniDir)) pods += 1;
  const dels = await recordsIn(cniDir);
  const left = [
    ...(pods > 0 ? [`the networks of ${pods === 1 ? "one pod" : `${pods} pods`}`] : []),
    ...(dels > 0 ? [`${dels === 1 ? "one DEL" : `${dels} DELs`} to be done by a daemon`] : []),
  ];
  if (left.length === 0) return "";
  return (
    `${cniDir} has ${left.join(" and ")}: left. Pods keep their interfaces; what their networks' plugins keep elsewhere is released only ` +
    "by a DEL through Multus (multusctl uninstall --help).\n"
  );
}

/** @returns number of DELs that wait, or were given up @throws {UserError} */
async function recordsIn(cniDir: string): Promise<number> {
  try {
    const { waiting, failed } = await readSpool(cniDir);
    return waiting + failed;
  } catch (error) {
    throw new UserError(`${cniDir} cannot be looked at: ${errorText(error)}`, "run it as root");
  }
}
