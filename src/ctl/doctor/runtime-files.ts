/** Checks the container runtime's files: is Multus's the first, is it valid, and is the cluster network installed? */

import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { ExpectedError } from "../../base/input-error.ts";
import { isJsonObject, type JsonObject, parseJson, scalarText } from "../../base/json.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import { type Netconf, parseNetconf } from "../../multus/input/netconf.ts";
import { checkText } from "../configuration/files.ts";
import { isNetconf } from "../configuration/kind.ts";
import type { TextFinding } from "../configuration/places.ts";
import { isReadable } from "../node/access.ts";
import { pathOnNode } from "../node/paths.ts";
import { formatFinding, type NodeCheck } from "../text/finding.ts";
import { fail, type NodeFinding, pass, skip, warn } from "./finding.ts";

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

const first = "runtime/first-file";
const valid = "runtime/configuration";
const network = "runtime/cluster-network";

/** Reported by the check of the cluster network. */
const ofClusterNetwork: readonly TextFinding["code"][] = [
  "cluster-network-missing",
  "cluster-network-refused",
];

/** File names that runtimes read. */
const extensions = [".conf", ".conflist", ".json"];

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
  let names: string[];
  try {
    names = readdirSync(confDir).filter((name) => extensions.some((extension) => name.endsWith(extension)));
  } catch (error) {
    const finding = skip(
      first,
      `${confDir} cannot be read: ${errorText(error)}`,
      "--cni-conf-dir names the runtime's conf_dir; on a node run it with sudo",
    );
    return { findings: [finding], file: undefined };
  }
  names.sort();
  const [winner] = names;
  if (winner === undefined) {
    const finding = fail(
      first,
      `${confDir} has no network configuration: the node stays NotReady`,
      "install the cluster network (flannel, Calico, Cilium …), and Multus after it",
    );
    return { findings: [finding], file: undefined };
  }
  const path = join(confDir, winner);
  if (!isReadable(path)) return { findings: [unreadable(first, path)], file: undefined };
  const ours = firstOfMultus(confDir, names);
  if (ours === undefined) {
    const finding = fail(
      first,
      `none of the files in ${confDir} is Multus's; the runtime uses ${winner}, and pods get that network alone`,
      "start the Multus DaemonSet, whose daemon writes 00-multus.conf; its log says what it waits for",
    );
    return { findings: [finding], file: undefined };
  }
  const { file, plugin } = ours;
  const netconf = netconfOf(file);
  const findings = [checkOrder(winner, file, chosenNetwork, netconf?.name ?? "")];
  const text = readFileSync(file, "utf8");
  const report = checkText(text, file, { kernels, binDirs });
  const own = report.findings.filter(({ code }) => !ofClusterNetwork.includes(code));
  const errors = own.filter(({ severity }) => severity === "error");
  if (own.length === 0) findings.push(pass(valid, `${file} is valid`));
  for (const each of own) {
    const say = isGrave(each) ? fail : warn;
    const remedy = "fix it, or remove it so that the daemon writes it again; multusctl validate checks it";
    findings.push(say(valid, formatFinding(each), remedy));
  }
  if ((lstatSync(file).mode & 0o022) !== 0) {
    findings.push(
      warn(
        valid,
        `${file} can be written by others than root`,
        `chmod go-w ${file}: a user that can write it decides what root runs for each pod`,
      ),
    );
  }
  if (errors.length > 0 || netconf === undefined) return { findings, file: undefined };
  findings.push(...checkClusterNetwork(netconf, kernels, binDirs), ...checkReadiness(netconf));
  return {
    findings,
    file: {
      path: file,
      netconf,
      type: scalarText(plugin.type),
      socketDir: socketDirOf(plugin),
      daemonCommand: daemonCommandOf(plugin),
    },
  };
}

/** @param winner name of the first file @param file Multus's first one @param networkName its network; "" if unknown */
function checkOrder(winner: string, file: string, chosenNetwork: string, networkName: string): NodeFinding {
  const ours = basename(file);
  if (ours === winner) return pass(first, `${file} is the first file, and Multus's`);
  if (chosenNetwork !== "" && networkName === chosenNetwork) {
    return pass(first, `${file} has the network that CRI-O takes by its name, ${chosenNetwork}`);
  }
  return fail(
    first,
    `the runtime uses ${winner}, which sorts before Multus's ${ours}: pods get that network alone`,
    `rename ${winner} so that it sorts after ${ours}, or remove it if it is a leftover`,
  );
}

/** The daemon writes the file with mode 0600. */
function unreadable(check: NodeCheck, path: string): NodeFinding {
  return skip(check, `${path} may not be read by this user`, "run it with sudo");
}

/** Does the finding mean that no pod gets this network? A plugin that is not installed is only a warning in other commands, whose networks may be another machine's. */
function isGrave({ severity, code }: TextFinding): boolean {
  return severity === "error" || code === "plugin-not-installed";
}

/** The first file with Multus's configuration. */
function firstOfMultus(
  confDir: string,
  names: readonly string[],
): { readonly file: string; readonly plugin: JsonObject } | undefined {
  for (const name of names) {
    const file = join(confDir, name);
    const plugin = pluginOf(file);
    if (plugin !== undefined) return { file, plugin };
  }
  return undefined;
}

function socketDirOf(plugin: JsonObject): string | undefined {
  const directory = plugin.daemonSocketDir;
  return typeof directory === "string" && directory !== "" ? directory : undefined;
}

function daemonCommandOf(plugin: JsonObject): readonly string[] {
  const command = plugin.daemonCommand;
  return Array.isArray(command) && command.every((word) => typeof word === "string") ? command : [];
}

/** Multus's configuration in a file, by itself or in a list; undefined if there is none, or the file cannot be read. */
function pluginOf(path: string): JsonObject | undefined {
  try {
    const value = parseJson(readFileSync(path), path);
    if (!isJsonObject(value)) return undefined;
    const plugins: readonly unknown[] = Array.isArray(value.plugins) ? value.plugins : [value];
    return plugins.filter(isJsonObject).find(isNetconf);
  } catch {
    return undefined;
  }
}

/** The netconf, also as the first plugin of a list. */
function netconfOf(path: string): Netconf | undefined {
  const bytes = readFileSync(path);
  const value = parseJson(bytes, path);
  if (!isJsonObject(value)) return undefined;
  const plugin = Array.isArray(value.plugins) ? value.plugins.find(isNetconf) : undefined;
  const { name, cniVersion } = value;
  try {
    return parseNetconf(
      plugin === undefined ? bytes : Buffer.from(JSON.stringify({ name, cniVersion, ...plugin })),
    );
  } catch (error) {
    if (error instanceof ExpectedError) return undefined;
    throw error;
  }
}

function checkClusterNetwork(netconf: Netconf, kernels: Kernels, binDirs: readonly string[]): NodeFinding[] {
  const { clusterNetwork } = netconf;
  if (clusterNetwork === "" || !clusterNetwork.includes("/")) {
    const what =
      clusterNetwork === ""
        ? "is in the configuration itself"
        : `${clusterNetwork} is looked up in the cluster and in ${netconf.confDir}`;
    return [pass(network, `the cluster network ${what}`)];
  }
  // A daemon in a pod names the file by its path in the pod.
  const path = fileOf(clusterNetwork) ?? fileOf(pathOnNode(clusterNetwork));
  if (path === undefined) {
    // The check of the configuration has reported the other problem of it.
    return [
      fail(
        network,
        `clusterNetwork ${clusterNetwork} is not there: every ADD fails`,
        "install the cluster network again, or name the file that is there",
      ),
    ];
  }
  if (pluginOf(path) !== undefined) {
    return [
      fail(
        network,
        `clusterNetwork ${path} is Multus's own: each pod would ask Multus for Multus`,
        "name the cluster network's file in clusterNetwork",
      ),
    ];
  }
  if (!isReadable(path)) return [unreadable(network, path)];
  const report = checkText(readFileSync(path, "utf8"), path, { kernels, binDirs });
  const findings = report.findings.map((each) =>
    (isGrave(each) ? fail : warn)(
      network,
      formatFinding(each),
      each.code === "plugin-not-installed"
        ? "install the plugin (package containernetworking-plugins, or the cluster network's own), or name its directory: binDir, --bin-dir"
        : "the cluster network's own installer writes this file: fix it there",
    ),
  );
  const plugins =
    binDirs.length > 0 ? "and its plugins are installed" : "its plugins cannot be checked from here";
  return findings.length > 0 ? findings : [pass(network, `${path} is valid, ${plugins}`)];
}

/** The first network file of a directory; a file itself. */
function fileOf(clusterNetwork: string): string | undefined {
  const stats = statSync(clusterNetwork, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isDirectory()) return stats.isFile() ? clusterNetwork : undefined;
  const [name] = readdirSync(clusterNetwork)
    .filter((each) => each.endsWith(".conf") || each.endsWith(".conflist"))
    .sort();
  return name === undefined ? undefined : join(clusterNetwork, name);
}

function checkReadiness({ readinessIndicatorFile: file }: Netconf): NodeFinding[] {
  const check = "runtime/readiness-indicator";
  if (file === "") return [];
  return [
    existsSync(file)
      ? pass(check, `${file} is there`)
      : fail(
          check,
          `readinessindicatorfile ${file} is missing: each ADD waits 45 s for it and fails`,
          "the cluster network writes it when it is ready: look at that network's pods on this node",
        ),
  ];
}
