/** multusd's configuration: Go multus's daemon-config keys and our own, from the file of `--config` (docs/behaviour.md, "Daemon"). */

import { readFileSync } from "node:fs";
import validateDaemonConfig from "../../build/validators/daemon-config.validator.mjs";
import { InputError } from "../base/input-error.ts";
import { isJsonObject, parseJson } from "../base/json.ts";
import { keySpelling } from "../base/key-spelling.ts";
import { checkSchema } from "../base/schema.ts";
import { errorText } from "../log/error-text.ts";
import type { LogKeys } from "../log/settings.ts";
import type { EvictionPolicy } from "../multus/background/evict-missing.ts";
import netconfSchema from "../multus/input/netconf.schema.json" with { type: "json" };
import { type NetconfOverrides, netconfOverrides } from "../multus/input/netconf.ts";
import { usualDeviceInfoDirectory } from "../multus/plan/devices.ts";
import type { TracingKey } from "../telemetry/settings.ts";
import daemonSchema from "./daemon-config.schema.json" with { type: "json" };
import { type NodeCertificate, type NodeCertificateKeys, nodeCertificateOf } from "./node-certificate.ts";
import {
  type RuntimeConfigKeys,
  type RuntimeConfigSettings,
  runtimeConfigSettings,
  unneededKeys,
} from "./runtime-config.ts";

export interface DaemonConfig {
  /** Directory of the socket. */
  readonly socketDir: string;
  /** Requests that are served at once. */
  readonly maxConcurrent: number;
  /** Milliseconds that one run of a delegate may take; undefined: the default of src/multus/services.ts. */
  readonly delegateTimeoutMs: number | undefined;
  /** Seconds without work after which the daemon exits; undefined: never. */
  readonly idleExitSeconds: number | undefined;
  /** Bytes that the NetworkAttachmentDefinitions of a cluster may take in memory. */
  readonly nadCacheBytes: number;
  /** Directory of NetworkAttachmentDefinition manifests; "" for none. */
  readonly nadDir: string;
  /** The kubelet's pod-resources socket. */
  readonly podResourcesSocket: string;
  /** The kubelet's directory of device plugins, which has the checkpoint of its device manager. */
  readonly devicePluginsDir: string;
  /** Directory of device information files, as the daemon and CNI plugins see it. */
  readonly deviceInfoDir: string;
  /** Path of the `multus` binary to run as agent; undefined: where the daemon's installation has it. */
  readonly agentPath: string | undefined;
  /** Directory that is the agents' root; undefined: the daemon's own. */
  readonly chrootDir: string | undefined;
  /** Path of the kubeconfig that names the cluster of every request; "" for none. */
  readonly kubeconfig: string;
  /** The node's name in its cluster; "": from the environment. */
  readonly nodeName: string;
  /** The node's certificate, the daemon's credentials for the cluster; undefined: it has others. */
  readonly nodeCertificate: NodeCertificate | undefined;
  /** Port of the metrics; undefined: they are not served. */
  readonly metricsPort: number | undefined;
  /** Address of the metrics; "": all of the host's. */
  readonly metricsAddress: string;
  /** Export of spans; it takes precedence over the environment. */
  readonly tracing: TracingKey;
  /** The log's keys that are set here; they override a netconf's. */
  readonly log: LogKeys;
  /** The netconf keys that are set here. */
  readonly overrides: NetconfOverrides;
  /** The file by which a runtime finds this daemon; undefined: the daemon does not write it. */
  readonly runtimeConfig: RuntimeConfigSettings | undefined;
  /** Which pods that run without their networks are evicted; undefined: none, they are reported. */
  readonly eviction: Pick<EvictionPolicy, "daemonSets" | "barePods"> | undefined;
  /** Known keys without effect: in this version, or beside the other keys. */
  readonly unused: readonly string[];
  /** Unknown keys: misspelt, most likely. */
  readonly unknown: readonly string[];
}

/** The keys as the schemas have them. */
interface DaemonConfigKeys extends LogKeys, RuntimeConfigKeys {
  readonly socketDir?: string;
  readonly connectionLimit?: number;
  readonly maxConcurrent?: number;
  readonly delegateTimeoutMs?: number;
  readonly idleExitSeconds?: number;
  readonly nadCacheBytes?: number;
  readonly nadDir?: string;
  readonly podResourcesSocket?: string;
  readonly devicePluginsDir?: string;
  readonly deviceInfoDir?: string;
  readonly agentPath?: string;
  readonly chrootDir?: string;
  readonly kubeconfig?: string;
  readonly nodeName?: string;
  readonly perNodeCertificate?: NodeCertificateKeys;
  readonly metricsPort?: number;
  readonly metricsAddress?: string;
  readonly tracing?: TracingKey;
  readonly onMissingNetworks?: "report" | "evict";
  readonly evictAlso?: readonly ("daemonSets" | "barePods")[];
}

const defaultSocketDir = "/run/multus";
/** Where a kubelet has them that runs with its usual directory. Both are fixed in Go multus. */
const defaultPodResourcesSocket = "/var/lib/kubelet/pod-resources/kubelet.sock";
const defaultDevicePluginsDir = "/var/lib/kubelet/device-plugins";
/** With 110 pods of four networks on two cores, 4 to 110 at once take the same time; few keep the number of plugin processes small. */
const defaultMaxConcurrent = 16;

/** 2,000 ordinary NADs are counted as 2 MB. An eighth of the container's limit of memory. */
const defaultNadCacheBytes = 32 << 20;

const netconfKeys = Object.keys(netconfSchema.properties);
const daemonKeys = Object.keys(daemonSchema.properties);
/** Keys are case-insensitive, as in Go. */
const spelling = keySpelling([...netconfKeys, ...daemonKeys]);
/** In lower case: the keys that no netconf and no network's configuration has. */
const daemonOnly = new Set(
  daemonKeys.filter((key) => !netconfKeys.includes(key)).map((key) => key.toLowerCase()),
);
/** Is it a key that a daemon's configuration alone has? @param key in any case */
export function isDaemonKey(key: string): boolean {
  return daemonOnly.has(key.toLowerCase());
}

/**
 * Reads and checks a configuration file.
 * @throws {InputError} where it cannot be read, 6 not JSON (line, column), 7 a wrong value (JSON path, line, column); each names the file
 */
export function readDaemonConfig(file: string): DaemonConfig {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new InputError("file", `configuration ${file} cannot be read: ${errorText(error)}`);
  }
  return parseDaemonConfig(bytes, file);
}

/** @param where the file's path, for errors @throws {InputError} */
export function parseDaemonConfig(bytes: Uint8Array, where: string): DaemonConfig {
  const given = parseJson(bytes, where);
  const value = isJsonObject(given) ? spelling.set(spelling.present(bytes, where).object) : given;
  checkSchema(validateDaemonConfig, value, bytes, where);
  // Checks the netconf keys, those of the log among them.
  const overrides = netconfOverrides(bytes, where);
  const keys = value as DaemonConfigKeys;
  const { logFile, logLevel, logToStderr, logOptions } = keys;
  const names = Object.keys(keys);
  const runtimeConfig = runtimeConfigSettings(keys, where);
  const eviction = evictionOf(keys);
  const withoutEffect = [
    // Go multus's daemon serves profiles of Go.
    "enablePprof",
    ...(eviction === undefined ? ["evictAlso"] : []),
    ...unneededKeys(runtimeConfig),
  ];
  return {
    socketDir: keys.socketDir ?? defaultSocketDir,
    maxConcurrent: keys.maxConcurrent ?? keys.connectionLimit ?? defaultMaxConcurrent,
    delegateTimeoutMs: keys.delegateTimeoutMs,
    idleExitSeconds: keys.idleExitSeconds,
    nadCacheBytes: keys.nadCacheBytes ?? defaultNadCacheBytes,
    nadDir: keys.nadDir ?? "",
    podResourcesSocket: keys.podResourcesSocket ?? defaultPodResourcesSocket,
    devicePluginsDir: keys.devicePluginsDir ?? defaultDevicePluginsDir,
    deviceInfoDir: keys.deviceInfoDir ?? usualDeviceInfoDirectory,
    agentPath: keys.agentPath,
    // An empty one counts as missing, as in Go multus.
    chrootDir: keys.chrootDir || undefined,
    kubeconfig: keys.kubeconfig ?? "",
    nodeName: keys.nodeName ?? "",
    nodeCertificate: nodeCertificateOf(keys.perNodeCertificate, where),
    metricsPort: keys.metricsPort,
    metricsAddress: keys.metricsAddress ?? "",
    tracing: keys.tracing ?? {},
    log: { logFile, logLevel, logToStderr, logOptions },
    overrides,
    runtimeConfig,
    eviction,
    unused: names.filter((key) => withoutEffect.includes(key)),
    unknown: names.filter((key) => !netconfKeys.includes(key) && !daemonKeys.includes(key)),
  };
}

function evictionOf({ onMissingNetworks, evictAlso = [] }: DaemonConfigKeys): DaemonConfig["eviction"] {
  if (onMissingNetworks !== "evict") return undefined;
  return { daemonSets: evictAlso.includes("daemonSets"), barePods: evictAlso.includes("barePods") };
}
