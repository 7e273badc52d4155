/** The options of `multusctl bench`: commander's values, checked, as a plan. */

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isJsonObject, parseJson } from "../../base/json.ts";
import { readRegularFile } from "../../base/regular-file.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";
import { isExecutable } from "../node/access.ts";
import { usualBinDirs } from "../node/installation.ts";
import {
  longestTime,
  mostLevels,
  mostPeers,
  mostPods,
  mostRounds,
  mostStarts,
  mostWarmUps,
} from "./bounds.ts";
import { runtimeSocket, usualCgroupParent } from "./cri/endpoint.ts";
import type { BenchPlan, Devices, Peer, PluginSite, RuntimeSite } from "./plan.ts";
import { startsOf, subjectsOf } from "./plan.ts";
import { ownName } from "./subject-names.ts";

/** The options as commander gives them. */
export interface BenchOptions {
  readonly runtime?: boolean;
  readonly runtimeEndpoint?: string;
  readonly cgroupParent?: string;
  readonly networks?: string;
  readonly nad?: string[];
  readonly clusterNetwork?: string;
  readonly master?: string[];
  readonly binDir?: string[];
  readonly hostNetwork?: boolean;
  readonly socketDir?: string;
  readonly cniDir: string;
  readonly podNamespace: string;
  readonly pods: string;
  readonly rounds: string;
  readonly warmUp: string;
  readonly timeLimit: string;
  readonly peer?: string[];
  readonly withoutMultus?: boolean;
  readonly devices?: string[];
  readonly json?: string;
  readonly report?: string;
  readonly dryRun?: boolean;
  readonly cleanUp?: boolean;
}

/** Where the daemon of a node listens, with a runtime, unless it is named. */
export interface NodeDefaults {
  readonly socketDir: string;
}

const longestPeerFile = 1 << 20;
const longestName = 60;

/**
 * Checks options and files that they name. Changes nothing.
 * @throws {UserError} naming the option
 */
export function planOf(options: BenchOptions, defaults: NodeDefaults): BenchPlan {
  const isRuntime = options.runtime === true || options.runtimeEndpoint !== undefined;
  refuseUnfitting(options, isRuntime);
  const plan: BenchPlan = {
    site: isRuntime ? runtimeSite(options, defaults) : pluginSite(options),
    networks: {
      networks: options.networks,
      nad: options.nad,
      clusterNetwork: options.clusterNetwork === undefined ? undefined : resolve(options.clusterNetwork),
    },
    devices: (options.devices ?? []).map(devicesIn),
    peers: (options.peer ?? []).map((text) => peerIn(text, isRuntime)),
    levels: levelsIn(options.pods),
    rounds: wholeNumber("--rounds", options.rounds, 1, mostRounds),
    warmUps: wholeNumber("--warm-up", options.warmUp, 0, mostWarmUps),
    podNamespace: options.podNamespace,
    limitMinutes: wholeNumber("--time-limit", options.timeLimit, 1, longestTime),
  };
  checkNames(plan.peers);
  const starts = startsOf(plan, subjectsOf(plan));
  if (starts > mostStarts) {
    throw new UserError(
      `this would start ${starts} pods, and at most ${mostStarts} are allowed`,
      "ask for fewer --rounds, --pods or --peer",
    );
  }
  for (const [option, file] of [
    ["--json", options.json],
    ["--report", options.report],
  ] as const) {
    if (file !== undefined && file !== "-") checkWritable(option, file);
  }
  return plan;
}

/** @throws {UserError} for options that have no effect together */
function refuseUnfitting(options: BenchOptions, isRuntime: boolean): void {
  const given = (names: readonly (keyof BenchOptions)[]) =>
    names.filter((name) => options[name] !== undefined);
  const refuse = (names: readonly (keyof BenchOptions)[], why: string, advice: string) => {
    const [name] = given(names);
    if (name !== undefined) throw new UserError(`${flagOf(name)} ${why}`, advice);
  };
  if (isRuntime) {
    refuse(
      ["nad", "clusterNetwork", "binDir", "master", "hostNetwork"],
      "does not go with --runtime: the runtime's configuration and the cluster have the networks",
      "create the NetworkAttachmentDefinitions in the cluster, and select them with --networks",
    );
    refuse(
      ["withoutMultus"],
      "does not go with --runtime: the runtime has one CNI configuration",
      "define a runtime handler with another cni_conf_dir, and name it: --peer NAME=HANDLER",
    );
    return;
  }
  refuse(["cgroupParent"], "is for --runtime", "leave it out");
  if (options.socketDir !== undefined) {
    refuse(
      ["nad"],
      "and --socket-dir exclude each other: a running daemon has its own networks",
      "select them with --networks",
    );
  }
  if (options.hostNetwork === true) {
    refuse(["master"], "does not go with --host-network: this machine has its links", "leave it out");
    if (options.nad === undefined && options.networks === undefined && options.clusterNetwork === undefined) {
      throw new UserError(
        "--host-network without networks: the demonstration's would change this machine's links",
        "name networks with --nad, or --networks and --socket-dir",
      );
    }
  }
}

/** `clusterNetwork` as it is typed. */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function pluginSite(options: BenchOptions): PluginSite {
  return {
    through: "plugin",
    binDirs: (options.binDir ?? usualBinDirs()).map((directory) => resolve(directory)),
    masters: options.master ?? [],
    inHostNetwork: options.hostNetwork === true,
    runningDaemon:
      options.socketDir === undefined
        ? undefined
        : { socketDir: resolve(options.socketDir), cniDir: resolve(options.cniDir) },
    withoutMultus: options.withoutMultus === true,
  };
}

function runtimeSite(options: BenchOptions, { socketDir }: NodeDefaults): RuntimeSite {
  return {
    through: "runtime",
    socket: runtimeSocket(options.runtimeEndpoint),
    socketDir: resolve(options.socketDir ?? socketDir),
    cgroupParent: options.cgroupParent ?? usualCgroupParent(),
  };
}

/** @param text `1,2,8` */
function levelsIn(text: string): number[] {
  const levels = text.split(",").map((part) => wholeNumber("--pods", part.trim(), 1, mostPods));
  if (levels.length > mostLevels) {
    throw new UserError(`--pods ${text}: at most ${mostLevels} different numbers`);
  }
  return [...new Set(levels)].sort((a, b) => a - b);
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UserError(`${option} ${text}: wanted a whole number from ${least} to ${most}`);
}

/** @param text `NAME=BINARY[,NETCONF.json]`, with a runtime `NAME=HANDLER` */
function peerIn(text: string, isRuntime: boolean): Peer {
  const [, name = "", target = "", file] = /^([^=]+)=([^,]+)(?:,(.+))?$/s.exec(text) ?? [];
  if (target === "") {
    throw new UserError(
      `--peer ${text}: wanted ${isRuntime ? "NAME=HANDLER" : "NAME=BINARY[,NETCONF.json]"}`,
    );
  }
  if (isRuntime) {
    if (file !== undefined) throw new UserError(`--peer ${text}: a runtime handler has no netconf here`);
    return { name, target, netconf: {} };
  }
  const binary = resolve(target);
  if (!existsSync(binary) || !statSync(binary).isFile() || !isExecutable(binary)) {
    throw new UserError(`--peer ${name}: ${binary} is no program that can be executed`);
  }
  return { name, target: binary, netconf: file === undefined ? {} : netconfIn(resolve(file)) };
}

function netconfIn(file: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseJson(readRegularFile(file, longestPeerFile), file);
  } catch (error) {
    throw new UserError(`--peer: ${file} cannot be read: ${errorText(error)}`, "", { cause: error });
  }
  if (!isJsonObject(value)) throw new UserError(`--peer: ${file} is no JSON object`);
  return value;
}

function checkNames(peers: readonly Peer[]): void {
  if (peers.length > mostPeers) throw new UserError(`--peer: at most ${mostPeers} of them`);
  const names = [ownName, ...peers.map(({ name }) => name)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UserError(`--peer ${twice}: the name is taken`);
  const long = names.find((name) => name.length > longestName);
  if (long !== undefined) throw new UserError(`--peer ${long}: a name has at most ${longestName} characters`);
}

/** @param text `NETWORK=ID,ID,…` */
function devicesIn(text: string): Devices {
  const [, network = "", list = ""] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  const ids = list.split(",").map((id) => id.trim());
  if (network === "" || ids.some((id) => id === "")) {
    throw new UserError(`--devices ${text}: wanted NETWORK=ID,ID,…`);
  }
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new UserError(`--devices ${network}: ${twice} is named twice`);
  return { network, ids };
}

/** Before a benchmark that takes minutes, and not after it. @throws {UserError} */
function checkWritable(option: string, file: string): void {
  const path = resolve(file);
  try {
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
    if (existsSync(path) && statSync(path).isDirectory()) throw new Error("it is a directory");
  } catch (error) {
    throw new UserError(`${option} ${file} cannot be written: ${errorText(error)}`, "", { cause: error });
  }
}
