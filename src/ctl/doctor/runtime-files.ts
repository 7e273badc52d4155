/** Checks the container runtime's files: is Multus's the first, is it valid, and is the cluster network installed? */

import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { firstFileState } from "../../base/file-state.ts";
import { ExpectedError } from "../../base/input-error.ts";
import { isJsonObject, type JsonObject, parseJson, scalarText } from "../../base/json.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import { type Netconf, parseNetconf } from "../../multus/input/netconf.ts";
import { clusterNetworkExtensions, isRuntimeFile } from "../../runtime-config/files.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { checkText } from "../configuration/files.ts";
import { isNetconf } from "../configuration/kind.ts";
import type { TextFinding } from "../configuration/places.ts";
import { isReadable } from "../node/access.ts";
import { pathOnNode } from "../node/paths.ts";
import { formatFinding } from "../text/finding.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";

/** Multus's file that a runtime would use. */
export interface RuntimeFile {
  readonly path: string;
  readonly netconf: Netconf;
  /** Type of the plugin: `multus` or `multus-shim`. */
  readonly type: string;
  /** daemonSocketDir, which the shim reads; undefined if not set. */
  readonly socketDir: string | undefined;
  /** daemonCommand, with which the shim starts a daemon; [] if it starts none. */
  readonly daemonCommand: readonly string[];
}

export interface RuntimeFiles {
  readonly findings: readonly NodeFinding[];
  /** undefined: there is none that can be read. */
  readonly file: RuntimeFile | undefined;
}

/** Reported by the check of the cluster network. */
const ofClusterNetwork: readonly TextFinding["code"][] = [
  "cluster-network-missing",
  "cluster-network-refused",
];

/**
 * @param confDir the runtime's
 * @param binDirs directories of plugins; none: they are not looked for
 * @param chosenNetwork name of the network that the runtime takes, regardless of the file (CRI-O's cni_default_network); "": the first file's
 */
export function checkRuntimeFiles(
  confDir: string,
  kernels: Kernels,
  binDirs: readonly string[],
  chosenNetwork = "",
): RuntimeFiles {
  const findings = new CheckFindings("runtime/first-file");
  let names: string[];
  try {
    names = readdirSync(confDir).filter(isRuntimeFile);
  } catch (error) {
    findings.skip(
      `${confDir} cannot be read: ${errorText(error)}`,
      "--cni-conf-dir names the runtime's conf_dir; on a node run it with sudo",
    );
    return { findings: findings.all, file: undefined };
  }
  const [winner] = names.sort();
  if (winner === undefined) {
    findings.fail(
      `${confDir} has no network configuration: the node stays NotReady`,
      "install the cluster network (flannel, Calico, Cilium …), and Multus after it",
    );
    return { findings: findings.all, file: undefined };
  }
  const path = join(confDir, winner);
  if (!isReadable(path)) return { findings: unreadable(findings, path), file: undefined };
  const ours = firstOfMultus(confDir, names);
  if (ours === undefined) {
    findings.fail(
      `none of the files in ${confDir} is Multus's; the runtime uses ${winner}, and pods get that network alone`,
      "start the Multus DaemonSet, whose daemon writes 00-multus.conf; its log says what it waits for",
    );
    return { findings: findings.all, file: undefined };
  }
  const netconf = netconfOf(ours);
  checkOrder(findings, winner, ours.path, chosenNetwork, netconf?.name ?? "");
  const context = { kernels, binDirs };
  const { isUsable, found } = checkConfiguration(ours, context);
  const own = [...findings.all, ...found];
  if (!isUsable || netconf === undefined) return { findings: own, file: undefined };
  return {
    findings: [...own, ...checkClusterNetwork(netconf, context), ...checkReadiness(netconf)],
    file: { path: ours.path, netconf, ...keysOf(ours.plugin) },
  };
}

/** @param winner name of the first file @param file Multus's first one @param networkName its network; "" if unknown */
function checkOrder(
  findings: CheckFindings,
  winner: string,
  file: string,
  chosenNetwork: string,
  networkName: string,
): void {
  const ours = basename(file);
  if (ours === winner) findings.pass(`${file} is the first file, and Multus's`);
  else if (chosenNetwork !== "" && networkName === chosenNetwork) {
    findings.pass(`${file} has the network that CRI-O takes by its name, ${chosenNetwork}`);
  } else {
    findings.fail(
      `the runtime uses ${winner}, which sorts before Multus's ${ours}: pods get that network alone`,
      `rename ${winner} so that it sorts after ${ours}, or remove it if it is a leftover`,
    );
  }
}

/** Checks Multus's file, but for the cluster network that it names. @returns also whether a daemon could use it */
function checkConfiguration(
  { path, bytes }: MultusFile,
  context: CheckContext,
): { readonly isUsable: boolean; readonly found: readonly NodeFinding[] } {
  const findings = new CheckFindings("runtime/configuration");
  const report = checkText(bytes.toString("utf8"), path, context);
  const own = report.findings.filter(({ code }) => !ofClusterNetwork.includes(code));
  if (own.length === 0) findings.pass(`${path} is valid`);
  for (const each of own) {
    findings[verdictOn(each)](
      formatFinding(each),
      "fix it, or remove it so that the daemon writes it again; multusctl validate checks it",
    );
  }
  if ((lstatSync(path).mode & 0o022) !== 0) {
    findings.warn(
      `${path} can be written by others than root`,
      `chmod go-w ${path}: a user that can write it decides what root runs for each pod`,
    );
  }
  return { isUsable: own.every(({ severity }) => severity !== "error"), found: findings.all };
}

/** The daemon writes the file with mode 0600. */
function unreadable(findings: CheckFindings, path: string): NodeFinding[] {
  return findings.skip(`${path} may not be read by this user`, "run it with sudo");
}

/** A failure if no pod gets this network. A plugin that is not installed is only a warning in other commands, whose networks may be another machine's. */
function verdictOn({ severity, code }: TextFinding): "fail" | "warn" {
  return severity === "error" || code === "plugin-not-installed" ? "fail" : "warn";
}

/** A file with Multus's configuration. */
interface MultusFile {
  readonly path: string;
  readonly bytes: Buffer;
  readonly value: JsonObject;
  /** Multus's configuration: the whole value, or a plugin of the list. */
  readonly plugin: JsonObject;
}

function firstOfMultus(confDir: string, names: readonly string[]): MultusFile | undefined {
  for (const name of names) {
    const file = readMultusFile(join(confDir, name));
    if (file !== undefined) return file;
  }
  return undefined;
}

/** @returns undefined if Multus's configuration is not in it, or the file cannot be read */
function readMultusFile(path: string): MultusFile | undefined {
  try {
    const bytes = readFileSync(path);
    const value = parseJson(bytes, path);
    if (!isJsonObject(value)) return undefined;
    const plugins: readonly unknown[] = Array.isArray(value.plugins) ? value.plugins : [value];
    const plugin = plugins.filter(isJsonObject).find(isNetconf);
    return plugin && { path, bytes, value, plugin };
  } catch {
    return undefined;
  }
}

/** The netconf; undefined if it is not valid. */
function netconfOf({ bytes, value, plugin }: MultusFile): Netconf | undefined {
  const { name, cniVersion } = value;
  try {
    return parseNetconf(
      plugin === value ? bytes : Buffer.from(JSON.stringify({ name, cniVersion, ...plugin })),
    );
  } catch (error) {
    if (error instanceof ExpectedError) return undefined;
    throw error;
  }
}

/** The keys that runtime and shim read. */
function keysOf({ type, daemonSocketDir, daemonCommand }: JsonObject) {
  const isCommand = Array.isArray(daemonCommand) && daemonCommand.every((word) => typeof word === "string");
  return {
    type: scalarText(type),
    socketDir: typeof daemonSocketDir === "string" && daemonSocketDir !== "" ? daemonSocketDir : undefined,
    daemonCommand: isCommand ? daemonCommand : [],
  };
}

function checkClusterNetwork({ clusterNetwork, confDir }: Netconf, context: CheckContext): NodeFinding[] {
  const findings = new CheckFindings("runtime/cluster-network");
  if (clusterNetwork === "" || !clusterNetwork.includes("/")) {
    const what =
      clusterNetwork === ""
        ? "is in the configuration itself"
        : `${clusterNetwork} is looked up in the cluster and in ${confDir}`;
    return findings.pass(`the cluster network ${what}`);
  }
  // A daemon in a pod names the file by its path in the pod.
  const path = fileOf(clusterNetwork) ?? fileOf(pathOnNode(clusterNetwork));
  if (path === undefined) {
    // The check of the configuration has reported the other problem of it.
    return findings.fail(
      `clusterNetwork ${clusterNetwork} is not there: every ADD fails`,
      "install the cluster network again, or name the file that is there",
    );
  }
  if (readMultusFile(path) !== undefined) {
    return findings.fail(
      `clusterNetwork ${path} is Multus's own: each pod would ask Multus for Multus`,
      "name the cluster network's file in clusterNetwork",
    );
  }
  if (!isReadable(path)) return unreadable(findings, path);
  for (const each of checkText(readFileSync(path, "utf8"), path, context).findings) {
    findings[verdictOn(each)](
      formatFinding(each),
      each.code === "plugin-not-installed"
        ? "install the plugin (package containernetworking-plugins, or the cluster network's own), or name its directory: binDir, --bin-dir"
        : "the cluster network's own installer writes this file: fix it there",
    );
  }
  const plugins =
    context.binDirs.length > 0 ? "and its plugins are installed" : "its plugins cannot be checked from here";
  return findings.orPass(`${path} is valid, ${plugins}`);
}

/** The first network file of a directory; a file itself. */
function fileOf(clusterNetwork: string): string | undefined {
  const stats = statSync(clusterNetwork, { throwIfNoEntry: false });
  if (stats?.isDirectory()) return firstFileState(clusterNetwork, clusterNetworkExtensions)?.path;
  return stats?.isFile() ? clusterNetwork : undefined;
}

function checkReadiness({ readinessIndicatorFile: file }: Netconf): NodeFinding[] {
  if (file === "") return [];
  const findings = new CheckFindings("runtime/readiness-indicator");
  if (existsSync(file)) return findings.pass(`${file} is there`);
  return findings.fail(
    `readinessindicatorfile ${file} is missing: each ADD waits 45 s for it and fails`,
    "the cluster network writes it when it is ready: look at that network's pods on this node",
  );
}
