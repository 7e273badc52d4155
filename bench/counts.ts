/** Counts of one ADD and one DEL, which no load of the machine changes: processes, turns of shim and daemon, requests to the API. */

import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { count as countText } from "../src/ctl/text/quantities.ts";
import { FaultProxy, type SeenRequest } from "../test/support/cluster/fault-proxy.ts";
import { BenchNode } from "./bench-node.ts";
import type { BoundName } from "./bounds.ts";
import type { BenchCluster } from "./cluster.ts";
import type { Judged } from "./gate.ts";
import { inCluster } from "./in-cluster.ts";
import { freeNetworks, selection } from "./networks.ts";
import { type Progress, Rounds } from "./progress.ts";
import { type Command, commands } from "./rounds.ts";
import { untilFilesSettle } from "./settled-files.ts";
import { type Fault, multusWasm, newContainerId, type Subject } from "./subjects.ts";

/** Turns that are counted: the fewest are those of the call alone, as the machine starts processes of others, too. */
const turns = 40;
/** Pods before them: a daemon's first calls read its files. */
const turnsBefore = 5;

export interface CountsRow {
  readonly networks: number;
  readonly command: Command;
  /** Threads among them. */
  readonly processes: number;
  /** From shim to daemon and back. */
  readonly roundTrips: number;
}

export interface CountsReport {
  readonly rows: readonly CountsRow[];
  readonly judged: readonly Judged[];
}

/** A relay in front of a daemon's socket. */
export interface SocketRelay extends AsyncDisposable {
  /** Where it listens: what is `daemonSocketDir` for a shim. */
  readonly directory: string;
  /** How often the daemon has answered after the shim had spoken, so far. */
  readonly roundTrips: () => number;
}

/**
 * Listens beside a daemon's socket and passes everything on.
 * @param delayMs each piece is held back for so long
 */
export async function socketRelay(directory: string, socketDir: string, delayMs = 0): Promise<SocketRelay> {
  mkdirSync(directory, { recursive: true });
  const open = new Set<Socket>();
  let roundTrips = 0;
  const server = createServer({ allowHalfOpen: true }, (shim) => {
    const daemon = connect({ path: join(socketDir, "multus.sock"), allowHalfOpen: true });
    let isDaemonsTurn = false;
    const pass = (from: Socket, to: Socket, seen: () => void) => {
      open.add(from);
      let before = Promise.resolve<unknown>(undefined);
      const after = (act: () => void) => {
        before = before.then(() => (delayMs > 0 ? sleep(delayMs) : undefined)).then(act);
      };
      from.on("data", (bytes: Buffer) => {
        seen();
        if (delayMs === 0) to.write(bytes);
        else after(() => to.write(bytes));
      });
      from.on("end", () => (delayMs === 0 ? to.end() : after(() => to.end())));
      from.on("error", () => to.destroy());
      from.on("close", () => open.delete(from));
    };
    pass(shim, daemon, () => {
      isDaemonsTurn = true;
    });
    pass(daemon, shim, () => {
      if (isDaemonsTurn) roundTrips += 1;
      isDaemonsTurn = false;
    });
  });
  server.listen(join(directory, "multus.sock"));
  await once(server, "listening");
  return {
    directory,
    roundTrips: () => roundTrips,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

interface CountBounds {
  readonly processes: BoundName;
  readonly roundTrips: BoundName;
}

const boundsOf: ReadonlyMap<number, CountBounds> = new Map([
  [1, { processes: "processesOfOne", roundTrips: "roundTripsOfOne" }],
  [4, { processes: "processesOfFour", roundTrips: "roundTripsOfFour" }],
]);

/**
 * Counts with networks whose delegates are one process each.
 * @param fault makes the same calls take more
 */
export async function benchCounts(
  progress: Progress,
  fault: Fault = async () => ({}),
): Promise<CountsReport> {
  await using bench = await BenchNode.start({ daemonConfig: { logLevel: "panic" } });
  await using resources = new AsyncDisposableStack();
  const { node, runner } = bench;
  const own = await fault(node, resources);
  await using relay = await socketRelay(join(node.directory, "relay"), node.socketDir);
  const rows: CountsRow[] = [];
  const counted = new Rounds(progress, boundsOf.size * (turns + turnsBefore));
  await counted.begin("free, warm-up");
  for (const count of boundsOf.keys()) {
    const networks = freeNetworks(count);
    for (const { name, config } of networks.slice(1)) node.writeNetwork(`default/${name}`, config);
    const pod = await node.pod(`counted-${count}`, selection(networks));
    const site = { node, runner, pod };
    const netconf = { daemonSocketDir: relay.directory, ...own.netconf };
    const subject = multusWasm(site, "counted", networks, { annotationsFrom: "request", ...own, netconf });
    await untilFilesSettle(node);
    const what = `free, ${countText(count, "network")}`;
    rows.push(...(await countsOf(subject, count, relay, () => counted.ended(what))));
  }
  return { rows, judged: rows.flatMap(judgedCounts) };
}

async function countsOf(
  subject: Subject,
  networks: number,
  relay: SocketRelay,
  ended: () => Promise<void>,
): Promise<CountsRow[]> {
  const fewest = {
    ADD: { processes: Infinity, roundTrips: Infinity },
    DEL: { processes: Infinity, roundTrips: Infinity },
  };
  for (let turn = -turnsBefore; turn < turns; turn++) {
    const containerId = newContainerId();
    for (const command of commands) {
      const before = relay.roundTrips();
      const cost = await (command === "ADD" ? subject.add(containerId) : subject.del(containerId));
      if (turn < 0) continue;
      const own = fewest[command];
      own.processes = Math.min(own.processes, cost.processes ?? Infinity);
      own.roundTrips = Math.min(own.roundTrips, relay.roundTrips() - before);
    }
    await ended();
  }
  return commands.map((command) => ({ networks, command, ...fewest[command] }));
}

function judgedCounts({ networks, command, processes, roundTrips }: CountsRow): Judged[] {
  const bounds = boundsOf.get(networks);
  if (bounds === undefined) return [];
  return [
    { bound: bounds.processes, what: command, measured: processes },
    { bound: bounds.roundTrips, what: command, measured: roundTrips },
  ];
}

/** Pods whose requests are counted. */
const countedPods = 5;
const networksOfCounted = 4;

export interface RequestsReport {
  /** Requests of an ADD and its DEL with four networks: method and path, the pod's and the network's names left out. */
  readonly requests: readonly string[];
  readonly judged: readonly Judged[];
}

/**
 * Counts what a daemon asks the API for an ADD and its DEL, by a proxy in front of the API.
 * @param prepare called when the daemon has served its first pods: what makes it ask more
 */
export async function benchRequests(
  cluster: BenchCluster,
  prepare: (proxy: FaultProxy) => Promise<void> = async () => {},
): Promise<RequestsReport> {
  await using proxy = await FaultProxy.start(cluster.api);
  await using bench = await BenchNode.start(await cluster.nodeOptions(proxy.url));
  const { node, runner } = bench;
  const networks = freeNetworks(networksOfCounted).map((network) => ({
    ...network,
    name: `counted-${network.name}`,
  }));
  for (const { name, config } of networks.slice(1))
    await cluster.api.createNetwork(name, { ...config, name });
  const sandbox = await node.pod("counted", selection(networks));
  const pod = await cluster.createPod(sandbox.name, sandbox.annotations);
  await node.untilReady();
  const site = { node, runner, pod: { ...pod, annotations: sandbox.annotations, network: sandbox.network } };
  const own = multusWasm(site, "counted", networks, { annotationsFrom: "cluster" });
  const subject = inCluster(own, cluster, pod, { status: true, events: networksOfCounted });
  let fewest: readonly string[] | undefined;
  for (let turn = -turnsBefore; turn < countedPods; turn++) {
    if (turn === 0) await prepare(proxy);
    const before = proxy.requests.length;
    const containerId = newContainerId();
    await subject.add(containerId);
    await subject.del(containerId);
    if (turn < 0) continue;
    const asked = proxy.requests.slice(before).filter(isNoWatch).map(formOf);
    if (fewest === undefined || asked.length < fewest.length) fewest = asked;
  }
  const requests = fewest ?? [];
  return { requests, judged: [{ bound: "requests", what: "ADD and DEL", measured: requests.length }] };
}

/** Watches, lists and leases belong to no pod. */
function isNoWatch({ query, path }: SeenRequest): boolean {
  return !/(?:^|&)(?:watch|limit)=/.test(query) && !path.includes("/leases/");
}

function formOf({ method, path }: SeenRequest): string {
  return `${method} ${path.replace(/(?<=\/namespaces\/)[^/]+|(?<=\/pods\/)[^/]+|(?<=definitions\/)[^/]+/g, "…")}`;
}
