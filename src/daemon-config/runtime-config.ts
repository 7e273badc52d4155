/** The keys of the daemon's configuration about the file by which a runtime finds it, as Go multus's daemon has them (docs/behaviour.md, "The runtime's file"). */

import { resolve } from "node:path";
import { InputError } from "../base/input-error.ts";
import { checkVersion } from "../cni/versions.ts";
import { namedClusterNetwork } from "../runtime-config/files.ts";
import { defaultPluginType, type GeneratorOptions } from "../runtime-config/generate.ts";
import { ownershipKeys } from "../runtime-config/ownership.ts";
import type { CleanupOnExit } from "../runtime-config/removal.ts";
import type { ClusterNetworkKeys } from "../runtime-config/sources.ts";

/** The keys, in the schemas' spelling and with their types. */
export interface RuntimeConfigKeys {
  readonly socketDir?: string;
  readonly cniConfigDir?: string;
  readonly multusConfigFile?: string;
  readonly multusAutoconfigDir?: string;
  readonly multusMasterCNI?: string;
  readonly forceCNIVersion?: boolean;
  readonly overrideNetworkName?: boolean;
  readonly cleanupConfigOnExit?: CleanupOnExit;
  readonly readinessindicatorfile?: string;
  readonly cniVersion?: string;
  readonly type?: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly daemonSocketDir?: string;
}

export interface RuntimeConfigSettings {
  /** cniConfigDir. */
  readonly directory: string;
  readonly readinessIndicatorFile: string;
  readonly removeOnExit: CleanupOnExit;
  readonly from: MadeFrom | CopiedFrom;
}

interface MadeFrom {
  readonly clusterNetwork: ClusterNetworkKeys;
  readonly options: GeneratorOptions;
}

interface CopiedFrom {
  /** multusConfigFile, a path. */
  readonly file: string;
}

const defaultDirectory = "/etc/cni/net.d";
/** The shim's own default: where the socket's directory is on the host. */
const defaultSocketDir = "/run/multus";

/** Keys that are copied into a generated file: those that Go multus's daemon writes there, and those that the shim reads. All others take effect in the daemon's configuration. */
const netconfKeys: readonly string[] = [
  "binDir",
  "cniDir",
  "logFile",
  "logLevel",
  "logToStderr",
  "logOptions",
  "namespaceIsolation",
  "globalNamespaces",
  "auxiliaryCNIChainName",
  "delOnDaemonDown",
  "daemonCommand",
  "daemonStartTimeoutMs",
  "daemonWaitSeconds",
];

/** Keys of any file, generated or copied. */
const keptFileKeys: readonly string[] = [
  "multusConfigFile",
  "multusAutoconfigDir",
  "cniConfigDir",
  "cleanupConfigOnExit",
];
/** Keys of a generated file. */
const madeFileKeys: readonly string[] = [
  "multusMasterCNI",
  "forceCNIVersion",
  "overrideNetworkName",
  "daemonSocketDir",
  "type",
  "cniVersion",
  "capabilities",
];

/** Keys that concern the runtime's file alone. */
const runtimeConfigKeys: readonly string[] = [...keptFileKeys, ...madeFileKeys];

/** Keys that have no effect with these settings. */
export function unneededKeys(settings: RuntimeConfigSettings | undefined): readonly string[] {
  // Go multus ignores it as well: overrideNetworkName decides.
  const never = ["name"];
  if (settings === undefined) return [...never, ...runtimeConfigKeys];
  return "file" in settings.from ? [...never, ...madeFileKeys] : never;
}

/**
 * Reads the keys. Go multus takes `auto` where multusConfigFile is missing, and ends if there is no multusAutoconfigDir then; here a daemon with neither key leaves
 * the runtime's directory alone.
 * @param where the configuration's file, for errors
 * @returns undefined: there is no file to keep
 * @throws {ExpectedError} naming the key
 */
export function runtimeConfigSettings(
  keys: RuntimeConfigKeys,
  where: string,
): RuntimeConfigSettings | undefined {
  const { multusAutoconfigDir = "", cniConfigDir = defaultDirectory } = keys;
  const configFile = keys.multusConfigFile || (multusAutoconfigDir === "" ? "" : "auto");
  if (configFile === "") return undefined;
  const shared = {
    directory: cniConfigDir,
    readinessIndicatorFile: keys.readinessindicatorfile ?? "",
    removeOnExit: keys.cleanupConfigOnExit ?? "auto",
  };
  if (configFile !== "auto") return { ...shared, from: { file: configFile } };
  const clusterNetwork = { directory: multusAutoconfigDir || cniConfigDir, name: keys.multusMasterCNI ?? "" };
  const options = generatorOptions(keys);
  refuseAtStart(clusterNetwork, options, where);
  return { ...shared, from: { clusterNetwork, options } };
}

function generatorOptions(keys: RuntimeConfigKeys): GeneratorOptions {
  const given = Object.entries(keys).filter(([key]) => netconfKeys.includes(key));
  return {
    form: "thick",
    type: keys.type || defaultPluginType,
    cniVersion: keys.cniVersion ?? "",
    forceCniVersion: keys.forceCNIVersion ?? false,
    overrideNetworkName: keys.overrideNetworkName ?? false,
    capabilities: keys.capabilities ?? {},
    netconfKeys: { ...ownershipKeys, ...Object.fromEntries(given), daemonSocketDir: socketDirOnHost(keys) },
  };
}

/**
 * The socket's directory as the plugin sees it. `socketDir` is the directory as the daemon sees it: in a container it may be the host's `/run/multus` mounted elsewhere, like `/host/run/multus` in
 * Go multus's manifest.
 * @returns undefined: the plugin's default
 */
function socketDirOnHost({
  daemonSocketDir = "",
  socketDir = defaultSocketDir,
}: RuntimeConfigKeys): string | undefined {
  if (daemonSocketDir !== "") return daemonSocketDir;
  const directory = resolve(socketDir);
  return directory.endsWith(defaultSocketDir) ? undefined : directory;
}

/** Refuses settings that no cluster network's file could make valid. */
function refuseAtStart(clusterNetwork: ClusterNetworkKeys, options: GeneratorOptions, where: string): void {
  const { cniVersion, forceCniVersion } = options;
  if (cniVersion !== "") checkVersion(cniVersion, where);
  if (forceCniVersion && cniVersion === "") {
    throw new InputError("content", `${where}: forceCNIVersion needs cniVersion, the version to force`);
  }
  if (clusterNetwork.name !== "") {
    namedClusterNetwork(clusterNetwork.directory, clusterNetwork.name, `${where}: multusMasterCNI`);
  }
}
