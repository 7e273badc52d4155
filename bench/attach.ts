/** ADD and DEL of a pod, through multus-wasm, through peers, and by the delegates alone: interleaved in one run, in changing order. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { debianPlugins, TestNode } from "../test/support/test-node.ts";
import { type BenchNetwork, fixedResultPlugin, freeNetworks, realNetworks } from "./networks.ts";
import { buildRunner, Runner } from "./runner.ts";
import { medianInterval, type Summary, summarize } from "./statistics.ts";
import {
  type Cost,
  delegatesAlone,
  multusWasm,
  newContainerId,
  type Peer,
  peerSubject,
  type Site,
  type Subject,
} from "./subjects.ts";

/** Milliseconds over the delegates alone. */
export interface Overhead {
  /** Median minus the delegates' median. */
  readonly median: number;
  /** 95 % interval of the median difference of two runs of the same round. */
  readonly interval: readonly [number, number];
}

/** One subject's times for one command and number of networks, milliseconds. */
export interface AttachRow {
  readonly delegates: "bridge and macvlan" | "free";
  readonly networks: number;
  readonly command: "ADD" | "DEL";
  readonly subject: string;
  readonly wall: Summary;
  /** CPU of the subject with everything it started, and of its daemon where we know it. Mean. */
  readonly cpu: number;
  /** What it costs over the delegates alone; undefined for these. */
  readonly overhead: Overhead | undefined;
}

interface Series {
  readonly subject: Subject;
  readonly add: Cost[];
  readonly del: Cost[];
}

const project = join(import.meta.dirname, "..");
/** Rounds before the measured ones of each case. */
const warmUps = 3;
/** Pods that the daemon has served before anything is measured: as one that runs, not as one that has just been started. */
const podsBefore = 40;

/** Runs every subject once per round; the order turns by one each round, so that none is always behind the same. */
async function interleave(
  subjects: readonly Subject[],
  rounds: number,
  progress: () => void,
): Promise<Series[]> {
  const series: Series[] = subjects.map((subject) => ({ subject, add: [], del: [] }));
  for (let round = -warmUps; round < rounds; round++) {
    for (let turn = 0; turn < series.length; turn++) {
      const one = series[(turn + round + warmUps) % series.length];
      if (one === undefined) continue;
      const containerId = newContainerId();
      const add = await one.subject.add(containerId);
      const del = await one.subject.del(containerId);
      if (round < 0) continue;
      one.add.push(add);
      one.del.push(del);
    }
    progress();
  }
  return series;
}

function rows(delegates: AttachRow["delegates"], networks: number, series: readonly Series[]): AttachRow[] {
  return (["ADD", "DEL"] as const).flatMap((command) => {
    const costsOf = ({ add, del }: Series) => (command === "ADD" ? add : del);
    const [base] = series;
    return series.map((one) => {
      const costs = costsOf(one);
      return {
        delegates,
        networks,
        command,
        subject: one.subject.name,
        wall: summarize(costs.map(({ wall }) => wall)),
        cpu: costs.reduce((sum, { cpu }) => sum + cpu, 0) / costs.length,
        overhead: base === undefined || one === base ? undefined : overhead(costs, costsOf(base)),
      };
    });
  });
}

/** @param costs and @param base round by round */
function overhead(costs: readonly Cost[], base: readonly Cost[]): Overhead {
  const walls = costs.map(({ wall }) => wall);
  const baseWalls = base.map(({ wall }) => wall);
  return {
    median: summarize(walls).median - summarize(baseWalls).median,
    interval: medianInterval(walls.map((wall, round) => wall - (baseWalls[round] ?? Number.NaN))),
  };
}

/**
 * @param rounds measured runs of each subject per case
 * @param progress told the case that runs and the share of it that is done
 */
export async function benchAttach(
  rounds: number,
  peers: readonly Peer[],
  progress: (what: string, done: number) => void,
): Promise<AttachRow[]> {
  await using node = await TestNode.start({ daemonConfig: { logLevel: "panic" } });
  const runnerBinary = join(node.directory, "runner");
  buildRunner(join(import.meta.dirname, "runner.c"), runnerBinary);
  execFileSync(process.env.CC ?? "cc", [
    ...["-O2", "-static", "-o", join(node.binDir, fixedResultPlugin)],
    join(import.meta.dirname, "fixed-result.c"),
  ]);
  const [file = "", ...args] = node.network.enter(runnerBinary);
  const runner = new Runner([file, ...args]);
  const result: AttachRow[] = [];
  try {
    const cases: [AttachRow["delegates"], number, BenchNetwork[], string][] = [
      ...[1, 4].map((count): [AttachRow["delegates"], number, BenchNetwork[], string] => {
        return ["free", count, freeNetworks(count), node.binDir];
      }),
      ...[1, 4, 8].map((count): [AttachRow["delegates"], number, BenchNetwork[], string] => {
        return ["bridge and macvlan", count, realNetworks(count, node.ipamDir), debianPlugins];
      }),
    ];
    for (const [delegates, count, networks, directory] of cases) {
      const pod = await node.pod(`bench-${count}`);
      const site: Site = { node, runner, netns: pod.network.path };
      const subjects = [
        delegatesAlone(site, networks, directory),
        multusWasm(site, join(project, "build", "multus"), networks),
        ...peers.map((peer) => peerSubject(site, peer, networks)),
      ];
      // A file that has just changed is read again at every look (src/cni/file-state.ts): measured is a daemon that knows its files.
      await sleep(500);
      if (result.length === 0) await interleave(subjects, podsBefore, () => {});
      let done = 0;
      const series = await interleave(subjects, rounds, () => {
        done += 1;
        progress(`${delegates}, ${count} network${count === 1 ? "" : "s"}`, done / (rounds + warmUps));
      });
      result.push(...rows(delegates, count, series));
    }
  } finally {
    runner.close();
  }
  return result;
}
