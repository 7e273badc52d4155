/** Makes what a container runtime reads to find Multus: 00-multus.conf or 00-multus.conflist, from the cluster network's configuration (docs/behaviour.md, "The runtime's file"). */

import { ExpectedError, InputError } from "../base/input-error.ts";
import { type JsonObject, objectMembers } from "../base/json.ts";
import { keySpelling } from "../base/key-spelling.ts";
import { pluginTypeProblem } from "../cni/names.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import { checkVersion, commonVersion, compareVersions } from "../cni/versions.ts";
import { parseNetconf, podAnnotationsKey } from "../multus/input/netconf.ts";
import { refuseOwnPlugins } from "../multus/input/own-plugin.ts";
import { listFileName, pluginFileName } from "./files.ts";

/** Go multus's name for the network that a runtime sees. */
const defaultNetworkName = "multus-cni-network";
/** The name that the plugin is installed under. */
export const defaultPluginType = "multus";

/** From here on the thin form is a list: single configurations are deprecated by the spec. */
const listsFrom = "1.0.0";

export interface GeneratorOptions {
  /**
   * As Go multus's daemon writes it: one plugin, and `clusterNetwork` is the path of the cluster network's file. Or as its thin installer does: the cluster network's
   * configuration itself in `delegates`, one plugin below cniVersion 1.0.0, from there on a list.
   */
  readonly form: "thick" | "thin";
  /** Name of the plugin's binary. */
  readonly type: string;
  /** Version that the runtime uses; "" for the cluster network's. */
  readonly cniVersion: string;
  /** Uses `cniVersion` for the cluster network as well, instead of that of its file: a changed copy of it goes into `delegates`, its file stays as it is. */
  readonly forceCniVersion: boolean;
  /** The network has the cluster network's name. */
  readonly overrideNetworkName: boolean;
  /** Further capabilities; with the pod's annotations at false they are not asked for. */
  readonly capabilities: Readonly<Record<string, boolean>>;
  /** Further netconf keys, as they are to be written. The keys that are made here win over them; a key that is undefined or null is left out. */
  readonly netconfKeys: JsonObject;
}

/** The cluster network as it was read. */
export interface ClusterNetwork {
  /** Absolute path of its file. */
  readonly path: string;
  readonly network: NetworkConfigList;
}

/** The content of the runtime's file. */
export interface RuntimeConfig {
  /** 00-multus.conf or 00-multus.conflist, where it was made here. */
  readonly fileName: string;
  /** JSON text. */
  readonly bytes: Uint8Array;
  /** The version in it. */
  readonly cniVersion: string;
}

/** Raw JSON values by key. */
type Members = Map<string, Uint8Array>;

/**
 * Makes the runtime's configuration. parseNetconf accepts the result.
 * @throws {ExpectedError} a version that is not supported; options or a cluster network that cannot be used, with the name of the key or the file
 */
export function generateRuntimeConfig(options: GeneratorOptions, cluster: ClusterNetwork): RuntimeConfig {
  const { form, type, overrideNetworkName, netconfKeys } = options;
  const { path, network } = cluster;
  const typeProblem = pluginTypeProblem(type);
  if (typeProblem !== undefined) {
    throw new InputError("content", `Multus's own ${typeProblem}`);
  }
  refuseOwnPlugins(network, path, type);
  const cniVersion = versionOf(options, cluster);
  const isInline = form === "thin" || options.forceCniVersion;
  if (isInline && isGiven(netconfKeys.auxiliaryCNIChainName) && netconfKeys.auxiliaryCNIChainName !== "") {
    throw new InputError(
      "content",
      `auxiliaryCNIChainName needs the cluster network's file, and ${form === "thin" ? "the thin form" : "forceCNIVersion"} has a copy of it`,
    );
  }
  const plugin: Members = new Map([
    ["type", json(type)],
    ["capabilities", json(capabilitiesOf(options, network))],
    ...Object.entries(netconfKeys)
      .filter(([key, value]) => isGiven(value) && !madeKeys.includes(key.toLowerCase()))
      .map(([key, value]): [string, Uint8Array] => [key, json(value)]),
    isInline
      ? ["delegates", join("[", [copyOf(cluster, options.forceCniVersion ? cniVersion : undefined)], "]")]
      : ["clusterNetwork", json(path)],
  ]);
  const head: Members = new Map([
    ["cniVersion", json(cniVersion)],
    ["name", json(overrideNetworkName ? network.name : defaultNetworkName)],
  ]);
  const whole = writeObject(new Map([...head, ...plugin]), "");
  refuseWhatMultusRefuses(whole, cluster);
  if (form === "thick" || compareVersions(cniVersion, listsFrom) < 0) {
    return { fileName: pluginFileName, bytes: join("", [whole], "\n"), cniVersion };
  }
  const list = new Map([...head, ["plugins", join("[\n    ", [writeObject(plugin, "    ")], "\n  ]")]]);
  return { fileName: listFileName, bytes: join("", [writeObject(list, "")], "\n"), cniVersion };
}

/** Keys that are never taken from the options; in lower case, as Multus reads keys in any. */
const madeKeys: readonly string[] = [
  "cniversion",
  "name",
  "type",
  "capabilities",
  "clusternetwork",
  "delegates",
  "plugins",
];

const isGiven = (value: unknown) => value !== undefined && value !== null;

/**
 * The runtime's version need not be the cluster network's (Calico's is 0.3.1): the answer is converted, and CHECK, STATUS and GC skip a network whose version does not have them.
 * @throws {ExpectedError}
 */
function versionOf({ cniVersion, forceCniVersion }: GeneratorOptions, { network }: ClusterNetwork): string {
  if (cniVersion === "") {
    if (!forceCniVersion) return network.saysVersion ? network.cniVersion : commonVersion;
    throw new InputError("content", "forceCNIVersion needs cniVersion, the version to force");
  }
  checkVersion(cniVersion, "Multus's own configuration");
  return cniVersion;
}

/** All that one of the plugins has, and those of the options; the pod's annotations unless they are refused. */
function capabilitiesOf(
  { capabilities }: GeneratorOptions,
  network: NetworkConfigList,
): Record<string, boolean> {
  const names = new Set([
    ...(capabilities[podAnnotationsKey] === false ? [] : [podAnnotationsKey]),
    ...Object.keys(capabilities).filter((name) => capabilities[name]),
    ...network.plugins.flatMap((plugin) => plugin.capabilities),
  ]);
  return Object.fromEntries(Array.from(names, (name) => [name, true]));
}

const versions = keySpelling(["cniVersion", "cniVersions"]);

/** The cluster network's configuration, its values as they were written. @param cniVersion replaces its version; undefined: it stays */
function copyOf({ path, network }: ClusterNetwork, cniVersion: string | undefined): Uint8Array {
  const members = objectMembers(network.bytes, path);
  if (cniVersion !== undefined) {
    // Of a list with both, the highest would count. A plugin in Go takes a key in another case for its own.
    for (const key of members.keys()) if (versions.isKnown(key)) members.delete(key);
    members.set("cniVersion", json(cniVersion));
  }
  return writeObject(members, "    ");
}

/** Finds options that make an invalid netconf here, not with the first pod. */
function refuseWhatMultusRefuses(netconf: Uint8Array, { path }: ClusterNetwork): void {
  try {
    parseNetconf(netconf);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    throw new InputError(
      "content",
      `the configuration for the runtime, made from ${path}, is of no use: ${error.message}`,
      { cause: error },
    );
  }
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** One line for each member, for readers of the file. @param indent of the object's end */
function writeObject(members: ReadonlyMap<string, Uint8Array>, indent: string): Uint8Array {
  const lines = Array.from(members, ([key, value], index) =>
    join(`${index === 0 ? "" : ","}\n${indent}  ${JSON.stringify(key)}: `, [value], ""),
  );
  return join("{", lines, `\n${indent}}`);
}

function join(before: string, parts: readonly Uint8Array[], after: string): Uint8Array {
  return Buffer.concat([Buffer.from(before), ...parts, Buffer.from(after)]);
}
