/** `multusctl uninstall`: removes from a node everything that install and thin-entrypoint have installed. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { errorText } from "../../log/error-text.ts";
import { readSpool } from "../../multus/spool/spool.ts";
import { plannedContainers } from "../../multus/state/plan-file.ts";
import { answers } from "../../socket/directory.ts";
import { UserError } from "../command/user-error.ts";
import { socketPath } from "../node/daemon-socket.ts";
import { defaultCertDir, defaultCniDir, defaultSocketDir } from "../node/installation.ts";
import { defaultCniBinDir, defaultCniConfDir, pathOnNode } from "../node/paths.ts";
import { checkDirectory } from "./install.ts";
import {
  type InstallationDirectory,
  installationDirectories,
  type UninstallOptions,
  uninstall,
} from "./uninstall.ts";

const defaults: Readonly<Record<InstallationDirectory, string>> = {
  cniBinDir: defaultCniBinDir,
  daemonBinDir: defaultCniBinDir,
  cniConfDir: defaultCniConfDir,
  socketDir: defaultSocketDir,
  certDir: defaultCertDir,
  cniDir: defaultCniDir,
};

/** The options' names. */
const optionNames: Readonly<Record<InstallationDirectory, string>> = {
  cniBinDir: "--cni-bin-dir",
  daemonBinDir: "--daemon-bin-dir",
  cniConfDir: "--cni-conf-dir",
  socketDir: "--socket-dir",
  certDir: "--cert-dir",
  cniDir: "--cni-dir",
};

export function uninstallCommand() {
  return new Command("uninstall")
    .summary("remove what install and thin-entrypoint have installed on a node")
    .description(
      "Removes the plugin binary under all its names, multusd as an executable file, the generated 00-multus.conf or 00-multus.conflist, the kubeconfig, and a daemon's files beside its socket " +
        "and its certificates. Removes only our own files, recognized by their content: Go multus's files and a user's stay. Restores a multus, multus-shim or passthru that ours has replaced.",
    )
    .option("--cni-bin-dir <directory>", "directory of the plugin binary", defaultCniBinDir)
    .option("--cni-conf-dir <directory>", "directory of the runtime's configuration", defaultCniConfDir)
    .option("--daemon-bin-dir <directory>", "directory of multusd (default: --cni-bin-dir)")
    .option("--socket-dir <directory>", "the daemon's", defaultSocketDir)
    .option("--cert-dir <directory>", "certDir of perNodeCertificate", defaultCertDir)
    .option(
      "--cni-dir <directory>",
      "the netconf's cniDir; files that pods still need stay there",
      defaultCniDir,
    )
    .addHelpText(
      "after",
      `
First remove the DaemonSet: it would install again, and a running multusd keeps its 00-multus.conf. If the DaemonSet is gone and new pods wait ("multusd cannot be reached"), no daemon was running to
remove that file, or none could ask whether its DaemonSet is deleted. This command removes the file, and new pods get the cluster network.

Running pods keep all their interfaces. The runtime no longer calls Multus for them: a pod's links go with its network namespace, but the other resources of plugins (such as addresses of
host-local) are released only by a DEL through Multus. So drain the node first, or change over to Go multus, which reads the same plans. Plans, results and recorded DELs (in cniDir) are
never removed; once there are none, the empty directory is.

Where one directory is named that is not the usual one, this is about an installation of its own: directories that are not named are another's, and nothing in them
is touched. /opt/cni/bin and /etc/cni/net.d, below /host or not, are the usual ones.

Exit code 1 if one of our files had to stay: a configuration of the runtime still calls the plugin, or a daemon runs. An on-demand daemon exits after some idle minutes; then run this
again.

Examples:
  sudo multusctl uninstall --cni-bin-dir /opt/cni/bin --cni-conf-dir /etc/cni/net.d
  multusctl uninstall`,
    )
    .action((options, command) => {
      const isNamed = (directory: InstallationDirectory) => {
        const source = command.getOptionValueSource(directory);
        return directory === "daemonBinDir" && source === undefined
          ? command.getOptionValueSource("cniBinDir") === "cli"
          : source === "cli";
      };
      const directories = { ...options, daemonBinDir: options.daemonBinDir ?? options.cniBinDir };
      return run({ ...directories, others: othersOf(directories, isNamed) });
    });
}

/** The directories of another installation: those that are not named, where one that is named is not the usual one. */
function othersOf(
  directories: Readonly<Record<InstallationDirectory, string>>,
  isNamed: (directory: InstallationDirectory) => boolean,
): ReadonlySet<InstallationDirectory> {
  const isUsual = (directory: InstallationDirectory) =>
    pathOnNode(resolve(directories[directory])) === pathOnNode(defaults[directory]);
  const isRedirected = installationDirectories.some((directory) => isNamed(directory) && !isUsual(directory));
  return new Set(isRedirected ? installationDirectories.filter((directory) => !isNamed(directory)) : []);
}

/** @throws {UserError} */
async function run(
  options: Omit<UninstallOptions, "isServed"> & Required<Pick<UninstallOptions, "others">>,
): Promise<void> {
  const { socketDir, cniDir, others } = options;
  for (const directory of ["cniBinDir", "daemonBinDir", "cniConfDir"] as const) {
    if (!others.has(directory)) checkDirectory(options[directory], optionNames[directory]);
  }
  const socket = socketPath(socketDir);
  const isServed = await answers(socket);
  const files = uninstall({ ...options, isServed });
  for (const { path, outcome, because } of files) {
    process.stdout.write(`${path}: ${outcome}${because === "" ? "" : `; ${because}`}\n`);
  }
  if (files.length === 0) process.stdout.write("Nothing of Multus is installed.\n");
  if (!others.has("cniDir")) process.stdout.write(await stateLeft(cniDir));
  const untouched = Array.from(others).filter((directory) => existsSync(options[directory]));
  if (untouched.length > 0) {
    const named = untouched.map((directory) => `${options[directory]} (${optionNames[directory]})`);
    process.stdout.write(`Not touched, as not named: ${named.join(", ")}\n`);
  }
  const pending = files.filter(({ isPending }) => isPending);
  if (pending.length === 0) return;
  throw new UserError(
    `not all of it could go: ${pending.map(({ path, because }) => `${path} (${because})`).join(", ")}`,
    pending.every(({ path }) => path === socket)
      ? "stop the daemon, or wait for an on-demand daemon, which exits when idle; then run this again"
      : "remove or replace the named configuration, and run this again",
  );
}

/** Lists the files in cniDir that pods still need. @returns text that ends with a newline; "" for none @throws {UserError} */
async function stateLeft(cniDir: string): Promise<string> {
  let pods = 0;
  for await (const _containerId of plannedContainers(cniDir)) pods += 1;
  const dels = await recordsIn(cniDir);
  const left = [
    ...(pods > 0 ? [`the networks of ${pods === 1 ? "one pod" : `${pods} pods`}`] : []),
    ...(dels > 0 ? [dels === 1 ? "one recorded DEL" : `${dels} recorded DELs`] : []),
  ];
  if (left.length === 0) return "";
  return (
    `${cniDir} stays: it has ${left.join(" and ")}. Pods keep their interfaces; other resources of their networks' plugins are released only ` +
    "by a DEL through Multus (multusctl uninstall --help).\n"
  );
}

/** @returns number of recorded DELs, including those given up @throws {UserError} */
async function recordsIn(cniDir: string): Promise<number> {
  try {
    const { waiting, failed } = await readSpool(cniDir);
    return waiting + failed;
  } catch (error) {
    throw new UserError(`${cniDir} cannot be read: ${errorText(error)}`, "run it as root");
  }
}
