/** The compared ways to attach a pod: the delegates alone, multus-wasm, and any peer binary. */

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { podArgs } from "../test/support/plugin.ts";
import { debianPlugins, shim, type TestNode } from "../test/support/test-node.ts";
import type { BenchNetwork } from "./networks.ts";
import type { Runner, RunOutcome } from "./runner.ts";

type Json = Readonly<Record<string, unknown>>;

/** Wall and CPU time of one ADD or DEL, milliseconds. */
export interface Cost {
  readonly wall: number;
  readonly cpu: number;
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

const cost = (outcomes: readonly RunOutcome[]): Cost => ({
  wall: outcomes.reduce((sum, outcome) => sum + outcome.wallMilliseconds, 0),
  cpu: outcomes.reduce((sum, outcome) => sum + outcome.cpuMilliseconds, 0),
});

/** The subject that others are compared with, in rows. */
export const aloneName = "delegates alone";

/** The delegates, one after the other, each with exactly the stdin that it needs: the least that any multus can take. */
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
    return { wall: outcome.wallMilliseconds, cpu: outcome.cpuMilliseconds + further() - before };
  };
  return { name, add: (id) => call("ADD", id), del: (id) => call("DEL", id) };
}

/** CPU that a process has used so far, milliseconds, all its threads. */
function processCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  // utime and stime, in ticks of 10 ms: exact over many calls, coarse for one.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/**
 * Our shim and daemon: the first network as cluster network, the others by the pod's annotation.
 * @param annotationsFrom where the daemon learns it: in the request, or (elsewhere) from its cluster
 */
export function multusWasm(
  site: Site,
  name: string,
  networks: readonly BenchNetwork[],
  annotationsFrom: "request" | "cluster",
): Subject {
  const { node, pod } = site;
  const [cluster] = networks;
  if (cluster === undefined) throw new Error("at least one network is needed");
  const netconf = node.netconf(
    cluster.config,
    annotationsFrom === "request"
      ? { runtimeConfig: { "io.kubernetes.cri.pod-annotations": pod.annotations } }
      : { capabilities: {} },
  );
  return viaPlugin(site, name, shim, netconf, () => processCpu(node.daemon.pid));
}

/** @param networks keys of the netconf that give the peer the same networks: all as inline delegates need no API */
export function peerSubject(site: Site, peer: Peer, networks: Json): Subject {
  const netconf = {
    cniVersion: "1.0.0",
    name: "bench",
    type: "multus",
    binDir: site.node.binDir,
    cniDir: join(site.node.directory, `peer-${peer.name}`),
    ...networks,
    ...peer.netconf,
  };
  return viaPlugin(site, peer.name, peer.binary, netconf, () => 0);
}
