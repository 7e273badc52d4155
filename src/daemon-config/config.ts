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
import type { TracingKey } from "../telemetry/settings.ts";
import daemonSchema from "./daemon-config.schema.json" with { type: "json" };
import { type NodeCertificate, type NodeCertificateKeys, nodeCertificateOf } from "./node-certificate.ts";
import {
  type RuntimeConfigKeys,
  type RuntimeConfigSettings,
  runtimeConfigKeys,
  runtimeConfigSettings,
  unneededKeys,
} from "./runtime-config.ts";

export interface DaemonConfig {
  /** Directory of the socket. */
  readonly socketDir: string;
  /** Requests worked on at once. */
  readonly maxConcurrent: number;
  /** Milliseconds that one run of a delegate may take; undefined: the default of src/multus/services.ts. */
  readonly delegateTimeoutMs: number | undefined;
  /** The daemon ends when it had nothing to do for so many seconds; undefined: never. */
  readonly idleExitSeconds: number | undefined;
  /** Bytes that the NetworkAttachmentDefinitions of a cluster may take in memory. */
  readonly nadCacheBytes: number;
  /** Directory of NetworkAttachmentDefinition manifests; "" for none. */
  readonly nadDir: string;
  /** Path of the `multus` binary to run as agent; undefined: where the daemon's installation has it. */
  readonly agentPath: string | undefined;
  /** Directory that is the agents' root; undefined: the daemon's own. */
  readonly chrootDir: string | undefined;
  /** Path of the kubeconfig that names the cluster of every request; "" for none. */
  readonly kubeconfig: string;
  /** The node's name in its cluster; "": the environment's counts. */
  readonly nodeName: string;
  /** The certificate of its node that the daemon shows to the cluster; undefined: none. */
  readonly nodeCertificate: NodeCertificate | undefined;
  /** Port that metrics are served on; undefined: they are not. */
  readonly metricsPort: number | undefined;
  /** Address that they are served on; "": every one of the host. */
  readonly metricsAddress: string;
  /** Where spans are exported to, if not the environment says it. */
  readonly tracing: TracingKey;
  /** The keys of the log that are set here and so win over a netconf's. */
  readonly log: LogKeys;
  /** The netconf keys that are set here. */
  readonly overrides: NetconfOverrides;
  /** The file by which a runtime finds this daemon; undefined: others see to it. */
  readonly runtimeConfig: RuntimeConfigSettings | undefined;
  /** Which pods that run without their networks are evicted; undefined: none, they are reported. */
  readonly eviction: Pick<EvictionPolicy, "daemonSets" | "barePods"> | undefined;
  /** Keys that belong to what this version does not do yet, or that nothing needs beside the others. */
  readonly unused: readonly string[];
  /** Keys that nobody knows: misspelt, most likely. */
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
/** Measured on two cores with 110 pods of four networks: from 4 to 110 at once take the same time. So: few enough that the node is not full of plugins. */
const defaultMaxConcurrent = 16;

/** 2,000 ordinary NADs are counted as 2 MB. An eighth of the container's limit of memory. */
const defaultNadCacheBytes = 32 << 20;

const netconfKeys = Object.keys(netconfSchema.properties);
const daemonKeys = Object.keys(daemonSchema.properties);
/** Keys may be in any case, as for Go. */
const spelling = keySpelling([...netconfKeys, ...daemonKeys]);
/** In lower case: the keys that no netconf and no network's configuration has. */
const daemonOnly = new Set(
  daemonKeys.filter((key) => !netconfKeys.includes(key)).map((key) => key.toLowerCase()),
);
const usedKeys = [
  "socketDir",
  "connectionLimit",
  "maxConcurrent",
  "delegateTimeoutMs",
  "idleExitSeconds",
  "nadCacheBytes",
  "nadDir",
  "nodeName",
  "perNodeCertificate",
  "metricsPort",
  "metricsAddress",
  "tracing",
  "agentPath",
  "chrootDir",
  "onMissingNetworks",
];

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
  const used = [...usedKeys, ...runtimeConfigKeys, ...(eviction === undefined ? [] : ["evictAlso"])];
  const unneeded = unneededKeys(runtimeConfig);
  return {
    socketDir: keys.socketDir ?? defaultSocketDir,
    maxConcurrent: keys.maxConcurrent ?? keys.connectionLimit ?? defaultMaxConcurrent,
    delegateTimeoutMs: keys.delegateTimeoutMs,
    idleExitSeconds: keys.idleExitSeconds,
    nadCacheBytes: keys.nadCacheBytes ?? defaultNadCacheBytes,
    nadDir: keys.nadDir ?? "",
    agentPath: keys.agentPath,
    // Go multus has none where it says nothing.
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
    unused: names.filter(
      (key) => unneeded.includes(key) || (daemonKeys.includes(key) && !used.includes(key)),
    ),
    unknown: names.filter((key) => !netconfKeys.includes(key) && !daemonKeys.includes(key)),
  };
}

function evictionOf({ onMissingNetworks, evictAlso = [] }: DaemonConfigKeys): DaemonConfig["eviction"] {
  if (onMissingNetworks !== "evict") return undefined;
  return { daemonSets: evictAlso.includes("daemonSets"), barePods: evictAlso.includes("barePods") };
}
