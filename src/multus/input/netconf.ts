/** The netconf: Multus's own configuration on stdin, with defaults and the daemon's overrides (docs/behaviour.md, "Configuration"). */

import validateNetconf from "../../../build/validators/netconf.validator.mjs";
import { arrayElements, isNull, objectMembers } from "../../base/json.ts";
import { keySpelling, type PresentMembers } from "../../base/key-spelling.ts";
import { checkSchema } from "../../base/schema.ts";
import { configError } from "../../cni/errors.ts";
import { checkNetworkName } from "../../cni/names.ts";
import { checkVersion } from "../../cni/versions.ts";
import { quoted } from "../../log/quoted.ts";
import { type LogKeys, type LogSettings, logLevels, logSettings, parseLogLevel } from "../../log/settings.ts";
import { usualNetworksPerPod } from "./bounds.ts";
import schema from "./netconf.schema.json" with { type: "json" };

/**
 * `retry`: the runtime is told, which tries again; after some tries the DEL is recorded and done in the background. `fail`: the runtime is always told. `ignore`: it is told success,
 * and nothing is tried again (docs/configuration.md, "A DEL that fails").
 */
export type DelOnFailure = "retry" | "fail" | "ignore";

/** A checked netconf; every key has its default where the text says nothing. */
export interface Netconf extends LogSettings {
  readonly name: string;
  readonly type: string;
  /** The version that the runtime wants its answer in; "" where it names none: the cluster network's. */
  readonly cniVersion: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly cniDir: string;
  /** The netconf's own, whatever the daemon's configuration says: the shim records DELs below it. */
  readonly shimCniDir: string;
  /** Configurations given in the netconf itself, raw JSON objects; empty where clusterNetwork is given (it wins). */
  readonly delegates: readonly Uint8Array[];
  /** "" where delegates are given. */
  readonly clusterNetwork: string;
  readonly defaultNetworks: readonly string[];
  /** "" if none. */
  readonly kubeconfig: string;
  /** "" if none. */
  readonly readinessIndicatorFile: string;
  readonly namespaceIsolation: boolean;
  /** globalNamespaces: those that any pod may take networks from. */
  readonly nonIsolatedNamespaces: readonly string[];
  readonly systemNamespaces: readonly string[];
  readonly multusNamespace: string;
  /** Networks that a pod's annotation may select. */
  readonly maxNetworksPerPod: number;
  readonly retryDeleteOnError: boolean;
  /** Networks whose plugins run at once, at most; `auto`: as their configurations allow (plan/schedule.ts). */
  readonly attachConcurrency: number | "auto";
  /** The networks whose plugins CHECK runs: the cluster network and `delegates`, or all. */
  readonly checkDelegates: "cluster" | "all";
  /** `auto`: networks whose configurations are understood whole are attached without their plugins (src/native/). */
  readonly nativeNetworks: "auto" | "off";
  readonly delOnFailure: DelOnFailure;
  /** "" if none. */
  readonly auxiliaryCniChainName: string;
  /** runtimeConfig by key, each value raw JSON text (portMappings, bandwidth, ips, mac, …). */
  readonly runtimeConfig: ReadonlyMap<string, Uint8Array>;
  /** runtimeConfig["io.kubernetes.cri.pod-annotations"]; undefined if the runtime did not send it. */
  readonly podAnnotations: Readonly<Record<string, string>> | undefined;
  /** Raw JSON object. */
  readonly prevResult: Uint8Array | undefined;
  /** Warnings, for the log and for `multusctl validate`. */
  readonly warnings: readonly string[];
}

/** Netconf keys of the daemon's own configuration, checked and ready to be laid over a netconf. Opaque to callers. */
export interface NetconfOverrides {
  readonly keys: NetconfKeys;
  readonly delegates: readonly Uint8Array[] | undefined;
}

/** The keys as netconf.schema.json has them. */
interface NetconfKeys extends LogKeys {
  readonly name?: string;
  readonly type?: string;
  readonly cniVersion?: string;
  readonly binDir?: string;
  readonly confDir?: string;
  readonly cniDir?: string;
  readonly delegates?: readonly object[];
  readonly clusterNetwork?: string;
  readonly defaultNetworks?: readonly string[];
  readonly kubeconfig?: string;
  readonly readinessindicatorfile?: string;
  readonly namespaceIsolation?: boolean;
  readonly globalNamespaces?: string;
  readonly systemNamespaces?: readonly string[];
  readonly multusNamespace?: string;
  readonly maxNetworksPerPod?: number;
  readonly retryDeleteOnError?: boolean;
  readonly attachConcurrency?: number | "auto";
  readonly checkDelegates?: "" | "cluster" | "all";
  readonly nativeNetworks?: "" | "auto" | "off";
  readonly delOnFailure?: DelOnFailure;
  readonly auxiliaryCNIChainName?: string;
  readonly runtimeConfig?: Readonly<Record<string, unknown>>;
  readonly prevResult?: object;
}

/** Keys about what outlives a request: state on disk. */
export type LastingKeys = Pick<Netconf, "cniDir">;

/** Capability, and key of runtimeConfig, with which containerd and CRI-O send the pod's annotations. */
export const podAnnotationsKey = "io.kubernetes.cri.pod-annotations";

/** Keys that belong to one call or to the netconf's identity: the daemon's configuration cannot set them for all calls. */
const notOverridable = ["name", "type", "cniVersion", "capabilities", "runtimeConfig", "prevResult"];

const spelling = keySpelling(Object.keys(schema.properties));
/** Of the objects among the values that have keys of Multus's. */
const spellingWithin = {
  runtimeConfig: keySpelling(Object.keys(schema.properties.runtimeConfig.properties)),
  logOptions: keySpelling(Object.keys(schema.properties.logOptions.properties)),
};

const noOverrides: NetconfOverrides = { keys: {}, delegates: undefined };

/**
 * Takes the netconf keys out of the daemon's configuration.
 * @param daemonConfig JSON text; its other keys are not looked at
 * @param where the file's path
 * @throws {CniError} 6 not JSON (line, column), 7 a netconf key of the wrong kind, with its JSON path
 */
export function netconfOverrides(daemonConfig: Uint8Array, where: string): NetconfOverrides {
  const { keys, members } = readKeys(daemonConfig, where);
  return {
    keys: Object.fromEntries(Object.entries(keys).filter(([key]) => !notOverridable.includes(key))),
    delegates: rawDelegates(keys, members, where),
  };
}

/**
 * Parses and checks the netconf of one call.
 * @param bytes stdin, JSON text; keys that Multus does not know are allowed
 * @param overrides the daemon's own keys, which win over the netconf's
 * @throws {CniError} 6 not JSON (line, column), 7 with the JSON path, 1 an unsupported cniVersion
 */
export function parseNetconf(bytes: Uint8Array, overrides: NetconfOverrides = noOverrides): Netconf {
  const where = "netconf on stdin";
  const read = readKeys(bytes, where);
  const keys: NetconfKeys = { ...read.keys, ...overrides.keys };

  const cniVersion = keys.cniVersion ?? "";
  if (cniVersion !== "") checkVersion(cniVersion, where);
  const name = keys.name ?? "";
  checkNetworkName(name, where);
  const auxiliaryCniChainName = keys.auxiliaryCNIChainName ?? "";
  if (auxiliaryCniChainName !== "") {
    checkNetworkName(auxiliaryCniChainName, `${where}: auxiliaryCNIChainName`);
  }

  const clusterNetwork = keys.clusterNetwork ?? "";
  const delegates =
    clusterNetwork === "" ? (overrides.delegates ?? rawDelegates(read.keys, read.members, where) ?? []) : [];
  if (clusterNetwork === "" && delegates.length === 0) {
    throw configError(`${where}: one of clusterNetwork and delegates is required`);
  }

  return {
    ...withDefaults(keys),
    name,
    shimCniDir: lastingKeys(read.keys).cniDir,
    cniVersion,
    delegates,
    clusterNetwork,
    auxiliaryCniChainName,
    runtimeConfig: rawRuntimeConfig(read.members, where),
    podAnnotations: podAnnotations(keys),
    prevResult: keys.prevResult === undefined ? undefined : read.members.get("prevResult"),
    warnings: logLevelWarnings(keys.logLevel, where),
  };
}

/** For what comes without a netconf: the daemon's own keys, the defaults for the rest, and no networks. */
export function netconfOfDaemon({ keys }: NetconfOverrides = noOverrides): Netconf {
  return withDefaults(keys);
}

/** The keys that need no check and no raw text; what those say that do is nothing here. */
function withDefaults(keys: NetconfKeys): Netconf {
  return {
    name: "",
    type: keys.type ?? "",
    cniVersion: "",
    binDir: keys.binDir ?? "/opt/cni/bin",
    confDir: keys.confDir ?? "/etc/cni/multus/net.d",
    delegates: [],
    clusterNetwork: "",
    defaultNetworks: keys.defaultNetworks ?? [],
    kubeconfig: keys.kubeconfig ?? "",
    ...logSettings(keys),
    ...lastingKeys(keys),
    shimCniDir: lastingKeys(keys).cniDir,
    systemNamespaces: keys.systemNamespaces ?? ["kube-system"],
    readinessIndicatorFile: keys.readinessindicatorfile ?? "",
    namespaceIsolation: keys.namespaceIsolation ?? false,
    nonIsolatedNamespaces: nonIsolatedNamespaces(keys.globalNamespaces ?? ""),
    multusNamespace: keys.multusNamespace ?? "kube-system",
    maxNetworksPerPod: keys.maxNetworksPerPod ?? usualNetworksPerPod,
    retryDeleteOnError: keys.retryDeleteOnError ?? false,
    attachConcurrency: keys.attachConcurrency ?? 1,
    checkDelegates: keys.checkDelegates || "cluster",
    nativeNetworks: keys.nativeNetworks || "off",
    delOnFailure: keys.delOnFailure ?? "retry",
    auxiliaryCniChainName: "",
    runtimeConfig: new Map(),
    podAnnotations: undefined,
    prevResult: undefined,
    warnings: [],
  };
}

/** The settings before a netconf has come. */
export function keysOfDaemon({ keys }: NetconfOverrides = noOverrides): LastingKeys {
  return lastingKeys(keys);
}

function lastingKeys(keys: NetconfKeys): LastingKeys {
  return { cniDir: keys.cniDir ?? "/var/lib/cni/multus" };
}

/**
 * The keys of a netconf as it writes them, checked; also those that are the shim's alone. They may be in any case (see keySpelling); as for Go, one that is null or an empty
 * string counts as absent. The shim reads its keys in the same way (shim/base/json.c).
 * @throws {CniError} 6 not JSON (line, column), 7 with the JSON path
 */
export function checkedNetconfKeys(bytes: Uint8Array, where: string): PresentMembers {
  const { object: present, members } = spelling.present(bytes, where);
  const { runtimeConfig, logOptions, ...others } = spelling.set(present);
  const object = {
    ...others,
    ...(runtimeConfig === undefined
      ? {}
      : { runtimeConfig: spellingWithin.runtimeConfig.object(runtimeConfig) }),
    ...(logOptions === undefined ? {} : { logOptions: spellingWithin.logOptions.object(logOptions) }),
  };
  checkSchema(validateNetconf, object, bytes, where);
  return { object, members };
}

function readKeys(
  bytes: Uint8Array,
  where: string,
): { keys: NetconfKeys; members: ReadonlyMap<string, Uint8Array> } {
  const { object, members } = checkedNetconfKeys(bytes, where);
  return { keys: object as NetconfKeys, members };
}

function rawDelegates(
  keys: NetconfKeys,
  members: ReadonlyMap<string, Uint8Array>,
  where: string,
): Uint8Array[] | undefined {
  const raw = members.get("delegates");
  return raw === undefined || keys.delegates === undefined ? undefined : arrayElements(raw, where);
}

function rawRuntimeConfig(members: ReadonlyMap<string, Uint8Array>, where: string): Map<string, Uint8Array> {
  const raw = members.get("runtimeConfig");
  if (raw === undefined) return new Map();
  const values = spellingWithin.runtimeConfig.members(objectMembers(raw, where));
  for (const [key, value] of values) if (isNull(value)) values.delete(key);
  return values;
}

function podAnnotations(keys: NetconfKeys): Record<string, string> | undefined {
  const annotations = keys.runtimeConfig?.[podAnnotationsKey];
  return annotations === undefined || annotations === null
    ? undefined
    : (annotations as Record<string, string>);
}

/** Go multus keeps its default where it does not know the level, and so do we: a misspelt level must not cost pods their network. */
function logLevelWarnings(given: string | undefined, where: string): string[] {
  if (given === undefined || given === "" || parseLogLevel(given) !== undefined) return [];
  return [
    `${where}: logLevel ${quoted(given)} is none of ${logLevels.toReversed().join(", ")}; taking panic`,
  ];
}

/** `globalNamespaces` is a comma separated list; when it is set, `default` is in it only if it is named. */
function nonIsolatedNamespaces(text: string): string[] {
  if (text === "") return ["default"];
  return text
    .split(",")
    .map((namespace) => namespace.trim())
    .filter((namespace) => namespace !== "");
}
