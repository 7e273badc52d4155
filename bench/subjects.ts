/** The compared ways to attach a pod: the delegates alone, multus-wasm, and any peer binary. */

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { podArgs } from "../test/support/plugin.ts";
import { debianPlugins, shim, type TestNode } from "../test/support/test-node.ts";
import { type BenchNetwork, freeNetworks } from "./networks.ts";
import type { Runner, RunOutcome } from "./runner.ts";

type Json = Readonly<Record<string, unknown>>;

/** The cost of one ADD or DEL; times in milliseconds. */
export interface Cost {
  readonly wall: number;
  /** Of what is run and all it waited for, and of our daemon. 0 where it is not known. */
  readonly cpu: number;
  /** Processes and threads that the machine started meanwhile; undefined where it is not known. */
  readonly processes: number | undefined;
}

export interface Subject {
  readonly name: string;
  /** @throws {Error} with the program's output if it failed */
  add(containerId: string): Promise<Cost>;
  /** @throws {Error} likewise */
  del(containerId: string): Promise<Cost>;
}

/** A binary to measure beside ours: `--peer name=binary[,netconf.json]`. */
export interface Peer {
  readonly name: string;
  readonly binary: string;
  /** Keys set over the benchmark's netconf. */
  readonly netconf: Json;
}

/** @throws {Error} if it is not of the form `name=binary[,netconf.json]` */
export function parsePeer(text: string): Peer {
  const match = /^([^=]+)=([^,]+)(?:,(.+))?$/.exec(text);
  const [, name, binary, file] = match ?? [];
  if (name === undefined || binary === undefined)
    throw new Error(`--peer ${text}: wanted name=binary[,netconf.json]`);
  return { name, binary, netconf: file === undefined ? {} : JSON.parse(readFileSync(file, "utf8")) };
}

/** Name of this project's subject in tables. */
export const ownName = "multus-wasm";

export const newContainerId = (): string => randomBytes(32).toString("hex");

/** The pod that is attached, again and again, each time as another container. */
export interface SitePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly network: { readonly path: string };
}

/** Where the attachment happens. */
export interface Site {
  readonly node: TestNode;
  readonly runner: Runner;
  readonly pod: SitePod;
}

function cniEnvironment(
  site: Site,
  command: string,
  containerId: string,
  ifName: string,
): Record<string, string> {
  return {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: site.pod.network.path,
    CNI_IFNAME: ifName,
    CNI_PATH: `${site.node.binDir}:${debianPlugins}`,
    CNI_ARGS: podArgs({ ...site.pod, containerId }),
  };
}

async function runOrThrow(
  site: Site,
  program: string,
  env: Record<string, string>,
  stdin: Uint8Array,
): Promise<RunOutcome> {
  const outcome = await site.runner.run({ program, env, stdin });
  if (outcome.exitCode !== 0) {
    throw new Error(`${env.CNI_COMMAND} ${program}: exit code ${outcome.exitCode}: ${outcome.stdout}`);
  }
  return outcome;
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

function cost(outcomes: readonly RunOutcome[]): Cost {
  const processes = outcomes.flatMap((outcome) => outcome.processes ?? []);
  return {
    wall: sumOf(outcomes.map(({ wallMilliseconds }) => wallMilliseconds)),
    cpu: sumOf(outcomes.map(({ cpuMilliseconds }) => cpuMilliseconds)),
    processes: processes.length === outcomes.length ? sumOf(processes) : undefined,
  };
}

/** The subject that others are compared with, in rows. */
export const aloneName = "delegates alone";

/** The subject whose time is the unit of the bounds. */
export const unitName = "one free delegate";

/** The unit: one start of the delegate that does nothing, by the same process that starts all others. */
export function unit(site: Site): Subject {
  return { ...delegatesAlone(site, freeNetworks(1), site.node.binDir), name: unitName };
}

/**
 * The delegates, one after the other, each with exactly the stdin that it needs: the least that any multus that executes them can take.
 * @param directory of their binaries
 */
export function delegatesAlone(site: Site, networks: readonly BenchNetwork[], directory: string): Subject {
  const results = new Map<string, unknown>();
  const ifName = (index: number): string => (index === 0 ? "eth0" : `net${index}`);
  const call = (command: string, containerId: string, index: number, network: BenchNetwork, extra: Json) =>
    runOrThrow(
      site,
      join(directory, network.plugin),
      cniEnvironment(site, command, containerId, ifName(index)),
      Buffer.from(JSON.stringify({ ...network.config, ...extra })),
    );
  return {
    name: aloneName,
    async add(containerId) {
      const outcomes: RunOutcome[] = [];
      for (const [index, network] of networks.entries()) {
        const outcome = await call("ADD", containerId, index, network, {});
        results.set(`${containerId}/${index}`, JSON.parse(outcome.stdout.toString()));
        outcomes.push(outcome);
      }
      return cost(outcomes);
    },
    async del(containerId) {
      const outcomes: RunOutcome[] = [];
      for (const [index, network] of [...networks.entries()].reverse()) {
        const key = `${containerId}/${index}`;
        outcomes.push(await call("DEL", containerId, index, network, { prevResult: results.get(key) }));
        results.delete(key);
      }
      return cost(outcomes);
    },
  };
}

function viaPlugin(site: Site, name: string, program: string, netconf: Json, further: () => number): Subject {
  const stdin = Buffer.from(JSON.stringify(netconf));
  const call = async (command: string, containerId: string): Promise<Cost> => {
    const before = further();
    const outcome = await runOrThrow(
      site,
      program,
      cniEnvironment(site, command, containerId, "eth0"),
      stdin,
    );
    const own = cost([outcome]);
    return { ...own, cpu: own.cpu + further() - before };
  };
  return { name, add: (id) => call("ADD", id), del: (id) => call("DEL", id) };
}

/** CPU that the threads of a process have used so far, milliseconds: the first number of each one's schedstat is in nanoseconds. */
function processCpu(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const times = readdirSync(tasks).map((task) => {
    try {
      return Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      return 0; // the thread ended meanwhile
    }
  });
  return sumOf(times) / 1e6;
}

export interface OwnOptions {
  /** Where the daemon learns the pod's annotations: in the request, or (elsewhere) from its cluster. */
  readonly annotationsFrom: "request" | "cluster";
  /** Keys set over the netconf. */
  readonly netconf?: Json;
  /** Started in place of the shim: what makes the same call take more. */
  readonly program?: string;
}

/** Something that makes calls take more than they have to: what the gate must see. Options of our subject; `resources` are those of the measurement. */
export type Fault = (
  node: TestNode,
  resources: AsyncDisposableStack,
) => Promise<Omit<OwnOptions, "annotationsFrom">>;

/** Our shim and daemon: the first network as cluster network, the others by the pod's annotation. */
export function multusWasm(
  site: Site,
  name: string,
  networks: readonly BenchNetwork[],
  options: OwnOptions,
): Subject {
  const { node } = site;
  return viaPlugin(site, name, options.program ?? shim, ownNetconf(site, networks, options), () =>
    processCpu(node.daemon.pid),
  );
}

/** The netconf of our subjects. */
export function ownNetconf(
  { node, pod }: Pick<Site, "node"> & Partial<Pick<Site, "pod">>,
  networks: readonly BenchNetwork[],
  { annotationsFrom, netconf = {} }: OwnOptions,
): Json {
  const [cluster] = networks;
  if (cluster === undefined) throw new Error("at least one network is needed");
  return node.netconf(cluster.config, {
    ...(annotationsFrom === "request"
      ? { runtimeConfig: { "io.kubernetes.cri.pod-annotations": pod?.annotations } }
      : { capabilities: {} }),
    ...netconf,
  });
}

/** @param networks keys of the netconf that give the peer the same networks: all as inline delegates need no API */
export function peerSubject(site: Site, peer: Peer, networks: Json): Subject {
  return viaPlugin(site, peer.name, peer.binary, peerNetconf(site.node, peer, networks), () => 0);
}

/** The netconf of a peer. */
export function peerNetconf(node: TestNode, peer: Peer, networks: Json): Json {
  return {
    cniVersion: "1.0.0",
    name: "bench",
    type: "multus",
    binDir: node.binDir,
    cniDir: join(node.directory, `peer-${peer.name}`),
    ...networks,
    ...peer.netconf,
  };
}
