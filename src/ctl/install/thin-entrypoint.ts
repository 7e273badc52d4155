/** The entrypoint of a thin installation's pod: installs everything on the node, then follows changes until it is stopped. */

import { ExpectedError } from "../../base/input-error.ts";
import { checkVersion } from "../../cni/versions.ts";
import type { Kernels } from "../../kernels/index.ts";
import type { Logger } from "../../log/logger.ts";
import { OnceLog } from "../../log/once-log.ts";
import { RuntimeConfigKeeper } from "../../runtime-config/keeper.ts";
import { type AskForDaemonSet, ConfigRemoval } from "../../runtime-config/removal.ts";
import {
  ClusterNetworkSource,
  CopiedFileSource,
  type RuntimeConfigSource,
} from "../../runtime-config/sources.ts";
import { untilInterrupted } from "../command/interruption.ts";
import { UserError, userErrorOf } from "../command/user-error.ts";
import { kubeconfigPath } from "../node/paths.ts";
import { checkDirectory, type InstalledFile, installPlugin } from "./install.ts";
import { KeptKubeconfig } from "./kept-kubeconfig.ts";
import { prepareOnDemand } from "./on-demand.ts";
import { RenamedSource } from "./renamed-source.ts";
import { type ServiceAccountOptions, serviceAccountKubeconfig } from "./service-account-kubeconfig.ts";
import { generatorOptions, namedPluginBinary, type ThinOptions } from "./thin-options.ts";

/** Interval of checks in milliseconds. */
const lookEveryMs = 200;
/** A pod has 30 s between SIGTERM and SIGKILL. */
const answerWithinMs = 20_000;

/** Parts of this build, and properties of this pod. */
export interface ThinSurroundings {
  readonly kernels: () => Kernels;
  readonly log: Logger;
  readonly serviceAccount: ServiceAccountOptions;
  readonly pluginBinary: () => string;
  /** The daemon as one executable; undefined if the build has none. */
  readonly daemonExecutable: string | undefined;
  /** The node's name in its cluster; "" if unknown. */
  readonly nodeName: string;
  /** Asks for the DaemonSet; undefined: the environment names none. */
  readonly daemonSet?: AskForDaemonSet | undefined;
}

/** Runs until the signal is aborted. @throws {UserError} for errors that a restart of the pod would not fix */
export async function runThinEntrypoint(
  options: ThinOptions,
  surroundings: ThinSurroundings,
  signal: AbortSignal,
): Promise<void> {
  const { log, serviceAccount } = surroundings;
  const { cniBinDir, cniConfDir } = options;
  checkDirectory(cniConfDir, "--cni-conf-dir");
  if (!options.skipMultusBinaryCopy) {
    logFiles(installPlugin(namedPluginBinary(options) ?? surroundings.pluginBinary(), cniBinDir), log);
  }
  const daemonCommand = prepareDaemon(options, surroundings);
  const kubeconfig = new KeptKubeconfig({
    path: kubeconfigPath(cniConfDir),
    sourceDirectory: serviceAccount.directory,
    text: () => serviceAccountKubeconfig(serviceAccount),
    log,
  });
  kubeconfig.write();
  if (!options.skipConfigWatch) kubeconfig.follow();
  // Last: a runtime calls the plugin as soon as it sees the configuration.
  try {
    await keepConfiguration(options, daemonCommand, surroundings, signal);
  } finally {
    kubeconfig.stop();
  }
}

/** @returns the netconf's daemonCommand; [] for none @throws {UserError} */
function prepareDaemon(
  options: ThinOptions,
  { daemonExecutable, nodeName, log }: ThinSurroundings,
): readonly string[] {
  const { daemonCommand, daemonBinDir } = options;
  if (daemonCommand === "none") return [];
  const words = (daemonCommand ?? "").split(" ").filter((word) => word !== "");
  if (words.length > 0 && daemonBinDir === undefined) return words;
  if (daemonExecutable === undefined) {
    log.verbose(
      "this build has no executable of the daemon to install: multusd has to run on the node by other means",
    );
    return words;
  }
  const daemon = prepareOnDemand(daemonExecutable, options, nodeName);
  logFiles(daemon.files, log);
  return words.length > 0 ? words : daemon.command;
}

/** @throws {UserError} for options that are wrong with every cluster network */
async function keepConfiguration(
  options: ThinOptions,
  daemonCommand: readonly string[],
  { kernels, log, daemonSet }: ThinSurroundings,
  signal: AbortSignal,
): Promise<void> {
  const { cniConfDir, cleanupConfigOnExit, skipConfigWatch, renameConfFile } = options;
  const found = sourceOf(options, daemonCommand, kernels());
  if (found instanceof CopiedFileSource && found.isIn(cniConfDir)) {
    log.verbose("--multus-conf-file is in the runtime's directory itself, and left alone");
    await untilInterrupted(signal);
    return;
  }
  const renamed = renameConfFile && options.multusConfFile === "auto" ? new RenamedSource(found) : undefined;
  const keeper = new RuntimeConfigKeeper({
    directory: cniConfDir,
    source: renamed ?? found,
    // The plugin looks for it, on the node.
    readinessIndicatorFile: "",
    log,
  });
  const removal = new ConfigRemoval(cleanupConfigOnExit, daemonSet);
  const failures = new OnceLog(log);
  const attempt = (rename: () => void) => {
    try {
      rename();
      failures.over();
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      const { message } = error;
      failures.error("the cluster network's file cannot be renamed", { error: message }, message);
    }
  };
  const inPlace = setInterval(() => {
    if (keeper.notInPlace !== undefined) return;
    if (renamed !== undefined) attempt(() => renamed.rename());
    if (skipConfigWatch) keeper.freeze();
  }, lookEveryMs);
  try {
    keeper.start();
    await untilInterrupted(signal);
  } finally {
    clearInterval(inPlace);
    await removal.settle(answerWithinMs);
    if (renamed !== undefined && removal.answer.isWanted) attempt(() => renamed.restore());
    keeper.leave(removal.answer);
  }
}

/** @throws {UserError} */
function sourceOf(
  options: ThinOptions,
  daemonCommand: readonly string[],
  kernels: Kernels,
): RuntimeConfigSource {
  const { multusConfFile, multusAutoconfigDir, multusMasterCniFileName, cniVersion } = options;
  try {
    if (cniVersion !== "") checkVersion(cniVersion, "--cni-version");
    else if (options.forceCniVersion) throw new UserError("--force-cni-version needs --cni-version");
    if (multusConfFile !== "auto") return new CopiedFileSource(multusConfFile, kernels);
    return new ClusterNetworkSource(
      { directory: multusAutoconfigDir, name: multusMasterCniFileName },
      generatorOptions(options, daemonCommand),
      kernels,
    );
  } catch (error) {
    throw userErrorOf(error);
  }
}

function logFiles(files: readonly InstalledFile[], log: Logger): void {
  for (const { path, outcome, former } of files) {
    log.verbose(outcome, { file: path, former: former === "" ? undefined : former });
  }
}
