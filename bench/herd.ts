/**
 * Measures pods that come all at once, with several networks each, executed and native in turns: wall time of all ADDs and of all DELs, and the daemon's
 * memory. A native process for each pod, started before, makes its calls.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Pod } from "../test/support/test-node.ts";
import { BenchNode } from "./bench-node.ts";
import type { Judged } from "./gate.ts";
import { executedName, nativeName, nativeNetconf } from "./native.ts";
import { realNetworks, selection } from "./networks.ts";
import { installPlugins } from "./plugins.ts";
import { type Progress, Rounds } from "./progress.ts";
import { untilFilesSettle } from "./settled-files.ts";
import { multusWasm, newContainerId, type Subject } from "./subjects.ts";

/** Of one way to carry the networks out. Times of each round. */
export interface HerdRow {
  readonly subject: string;
  /** From the first call to the last answer. */
  readonly addSeconds: readonly number[];
  readonly delSeconds: readonly number[];
  /** The daemon's resident memory, MB: before, the most it ever had, and a second after the last DEL. */
  readonly idleMegabytes: number;
  readonly peakMegabytes: number;
  readonly afterMegabytes: number;
}

export interface HerdReport {
  readonly pods: number;
  readonly networks: number;
  readonly rows: readonly HerdRow[];
  readonly judged: readonly Judged[];
}

interface Side {
  readonly name: string;
  readonly bench: BenchNode;
  readonly subjects: readonly Subject[];
  readonly idle: number;
  readonly addSeconds: number[];
  readonly delSeconds: number[];
}

async function sideOf(
  name: string,
  netconf: Readonly<Record<string, unknown>>,
  { pods, networks }: { readonly pods: number; readonly networks: number },
  resources: AsyncDisposableStack,
): Promise<Side> {
  const bench = resources.use(await BenchNode.start({ daemonConfig: { logLevel: "panic" } }));
  const { node } = bench;
  await installPlugins(node.binDir);
  const all = realNetworks(networks, node.ipamDir);
  for (const { name: network, config } of all.slice(1)) node.writeNetwork(`default/${network}`, config);
  const placed: Pod[] = [];
  for (let index = 0; index < pods; index++) placed.push(await node.pod(`herd-${index}`, selection(all)));
  const subjects = placed.map((pod) =>
    multusWasm({ node, runner: bench.startRunner(), pod }, name, all, {
      annotationsFrom: "request",
      netconf,
    }),
  );
  await untilFilesSettle(node);
  await node.untilReady();
  // The bridge is there, and the daemon has served a pod.
  for (const subject of subjects.slice(0, 1)) {
    const containerId = newContainerId();
    await subject.add(containerId);
    await subject.del(containerId);
  }
  return { name, bench, subjects, idle: node.daemon.memory().resident, addSeconds: [], delSeconds: [] };
}

/** All at once. @throws {Error} of the first that fails, when all have ended */
async function atOnce(calls: readonly (() => Promise<unknown>)[]): Promise<number> {
  const start = performance.now();
  const outcomes = await Promise.allSettled(calls.map((call) => call()));
  const seconds = (performance.now() - start) / 1000;
  const failed = outcomes.filter(({ status }) => status === "rejected");
  const [first] = failed;
  if (first?.status === "rejected") {
    throw new Error(`${failed.length} of ${calls.length} failed: ${String(first.reason)}`);
  }
  return seconds;
}

/**
 * @param rounds of each of the two
 * @throws {Error} if an ADD or DEL fails
 */
export async function benchHerd(
  pods: number,
  networks: number,
  rounds: number,
  progress: Progress,
): Promise<HerdReport> {
  await using resources = new AsyncDisposableStack();
  const sides: Side[] = [];
  const counted = new Rounds(progress, 2 * rounds);
  for (const [name, netconf] of [
    [executedName, {}],
    [nativeName, nativeNetconf],
  ] as const) {
    await counted.begin(`${pods} pods for ${name}`);
    sides.push(await sideOf(name, netconf, { pods, networks }, resources));
  }
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const ids = side.subjects.map(() => newContainerId());
      const id = (index: number) => ids[index] ?? "";
      side.addSeconds.push(await atOnce(side.subjects.map((one, index) => () => one.add(id(index)))));
      side.delSeconds.push(await atOnce(side.subjects.map((one, index) => () => one.del(id(index)))));
      await counted.ended(side.name);
    }
  }
  await sleep(1000);
  const rows = sides.map(({ name, bench, idle, addSeconds, delSeconds }): HerdRow => {
    const { resident, peak } = bench.node.daemon.memory();
    return {
      subject: name,
      addSeconds,
      delSeconds,
      idleMegabytes: idle / 1024,
      peakMegabytes: peak / 1024,
      afterMegabytes: resident / 1024,
    };
  });
  const [executed, native] = rows;
  if (executed === undefined || native === undefined) throw new Error("there are two ways");
  const what = `${pods} pods with ${networks} networks at once`;
  return {
    pods,
    networks,
    rows,
    judged: [
      {
        bound: "herd",
        what,
        measured: { of: native.addSeconds, base: executed.addSeconds },
      },
      ...rows.map(({ subject, peakMegabytes }): Judged => {
        return { bound: "memory", what: `${what}, ${subject}`, measured: peakMegabytes };
      }),
    ],
  };
}
