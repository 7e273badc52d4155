/** Reads and checks the CNI part of CRI-O's configuration: crio.conf, then crio.conf.d (crio.conf(5), crio.conf.d(5)). */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { errorText } from "../../log/error-text.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";
import { processesCalled } from "./processes.ts";
import { checkDirectories } from "./runtime-directories.ts";
import { textsIn, tomlEntries } from "./toml.ts";

/** The table crio.network. */
export interface CrioNetwork {
  readonly networkDir: Setting<string>;
  readonly pluginDirs: Setting<readonly string[]>;
  /** Name of the network that pods get; "": the first one in networkDir. */
  readonly defaultNetwork: Setting<string>;
}

interface Setting<Value> {
  readonly value: Value;
  /** The file that sets it; "" for CRI-O's default. */
  readonly file: string;
}

export interface CrioLook {
  /** undefined if CRI-O is not the runtime, or its configuration cannot be read. */
  readonly network: CrioNetwork | undefined;
  /** Why an existing configuration was not checked. */
  readonly findings: readonly NodeFinding[];
}

const check = "runtime/crio";

/** @param path of crio.conf @param processes the directory /proc */
export function lookForCrio(path: string, processes: string): CrioLook {
  let files: readonly string[];
  let network: CrioNetwork;
  try {
    files = [...(isFile(path) ? [path] : []), ...filesIn(`${path}.d`)];
    network = readCrioNetwork(files.map((file) => ({ file, text: readFileSync(file, "utf8") })));
  } catch (error) {
    return {
      network: undefined,
      findings: new CheckFindings(check).skip(errorText(error), "run it with sudo"),
    };
  }
  if (files.length === 0) return { network: undefined, findings: [] };
  const isRunning = (name: string) => processesCalled(name, processes).length > 0;
  if (!isRunning("crio") && isRunning("containerd")) {
    const why = `${files[0]} was not checked: containerd is running, CRI-O is not`;
    return { network: undefined, findings: new CheckFindings(check).skip(why) };
  }
  return { network, findings: [] };
}

/** @param files in CRI-O's order: later ones override earlier ones */
export function readCrioNetwork(
  files: readonly { readonly file: string; readonly text: string }[],
): CrioNetwork {
  let networkDir: Setting<string> = { value: "/etc/cni/net.d", file: "" };
  let pluginDirs: Setting<readonly string[]> = { value: ["/opt/cni/bin"], file: "" };
  let defaultNetwork: Setting<string> = { value: "", file: "" };
  // A further directory, of older releases.
  let pluginDir = "";
  for (const { file, text } of files) {
    for (const { path, value } of tomlEntries(text)) {
      const [crio, network, key, ...further] = path;
      if (crio !== "crio" || network !== "network" || further.length > 0) continue;
      const [first = "", ...others] = textsIn(value);
      if (key === "network_dir") networkDir = { value: first, file };
      if (key === "plugin_dirs") pluginDirs = { value: [first, ...others], file };
      if (key === "plugin_dir") pluginDir = first;
      if (key === "cni_default_network") defaultNetwork = { value: first, file };
    }
  }
  const value = [...pluginDirs.value, pluginDir].filter((directory) => directory !== "");
  return { networkDir, pluginDirs: { ...pluginDirs, value }, defaultNetwork };
}

/** @param confDir @param binDir directories of Multus's installation @param multusNetwork name of the network in Multus's file, "" if there is none */
export function checkCrio(
  { networkDir, pluginDirs, defaultNetwork }: CrioNetwork,
  confDir: string,
  binDir: string,
  multusNetwork: string,
): NodeFinding[] {
  const findings = new CheckFindings(check);
  checkDirectories(
    findings,
    {
      name: "CRI-O",
      confDir: networkDir.value,
      confDirKey: keyIn("network_dir", networkDir),
      binDirs: pluginDirs.value,
      binDirsKey: keyIn("plugin_dirs", pluginDirs),
    },
    confDir,
    binDir,
  );
  const { value: network } = defaultNetwork;
  if (network !== "" && multusNetwork !== "" && network !== multusNetwork) {
    findings.fail(
      `${keyIn("cni_default_network", defaultNetwork)} is ${network}, and Multus's network is ${multusNetwork}: pods get ${network} alone, regardless of the order of files`,
      `set cni_default_network to ${multusNetwork}, or remove the key, and restart CRI-O`,
    );
  }
  return findings.orPass("CRI-O's configuration agrees with Multus");
}

function keyIn(key: string, { file }: Setting<unknown>): string {
  return file === "" ? `CRI-O's default of ${key}` : `${key} of ${file}`;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** All files below a directory at any depth, sorted by name, as CRI-O reads them. @throws {Error} of node:fs */
function filesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return filesIn(path);
      return isFile(path) ? [path] : [];
    });
}
