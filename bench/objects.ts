/** Compares ADD in a small and a large cluster, by two alternating daemons: the cost of many unrelated objects for a pod, and the daemon's memory. */

import { setTimeout as sleep } from "node:timers/promises";
import { count } from "../src/ctl/text/quantities.ts";
import { type Summary, summarize } from "../src/ctl/text/statistics.ts";
import { createCrowd } from "../test/support/cluster/crowd.ts";
import { BenchNode } from "./bench-node.ts";
import { BenchCluster, nodeName } from "./cluster.ts";
import type { Judged } from "./gate.ts";
import { inCluster } from "./in-cluster.ts";
import { freeNetworks, selection } from "./networks.ts";
import { type Progress, Rounds } from "./progress.ts";
import type { Sample } from "./ratio.ts";
import { interleave, podsBefore, warmUps } from "./rounds.ts";
import { multusWasm, type Subject } from "./subjects.ts";

/** How much there is in a cluster, and on the node. */
export interface Population {
  readonly networks: number;
  readonly pods: number;
}

/** One of the two. Memory in MB: before the first pod, the most that the daemon ever had, and a second after the last. */
export interface ObjectsRow extends Population {
  /** ADD, milliseconds. */
  readonly wall: Summary;
  readonly idleMegabytes: number;
  readonly peakMegabytes: number;
  readonly afterMegabytes: number;
}

export interface ObjectsReport {
  readonly few: ObjectsRow;
  readonly many: ObjectsRow;
  /** ADDs in the large cluster and in the small one, milliseconds, round by round. */
  readonly rounds: Sample;
  readonly judged: readonly Judged[];
}

export const few: Population = { networks: 10, pods: 1 };
export const many: Population = { networks: 2_000, pods: 250 };

const nameOf = ({ networks, pods }: Population): string =>
  `${count(networks, "network")}, ${count(pods, "pod")}`;

/** The pod that is attached has so many, the cluster network among them. */
const networksOfPod = 4;

interface Side {
  readonly population: Population;
  readonly bench: BenchNode;
  readonly subject: Subject;
  readonly idle: number;
}

/** A cluster with so many objects, the pod and its networks among them, and a node of it. The delegates cost nothing, so that nothing hides what there is to see. */
async function populate(population: Population, resources: AsyncDisposableStack): Promise<Side> {
  const cluster = resources.use(await BenchCluster.start());
  const networks = freeNetworks(networksOfPod);
  await createCrowd(cluster.api, {
    networks: population.networks - (networksOfPod - 1),
    pods: population.pods - 1,
    nodeName,
  });
  for (const { name, config } of networks.slice(1)) await cluster.api.createNetwork(name, config);
  const bench = resources.use(await BenchNode.start(await cluster.nodeOptions()));
  const { node, runner } = bench;
  const sandbox = await node.pod("measured", selection(networks));
  const pod = await cluster.createPod(sandbox.name, sandbox.annotations);
  await node.untilReady();
  const site = { node, runner, pod: { ...pod, annotations: sandbox.annotations, network: sandbox.network } };
  const subject = multusWasm(site, nameOf(population), networks, { annotationsFrom: "cluster" });
  const expected = { status: true, events: networksOfPod };
  return {
    population,
    bench,
    subject: inCluster(subject, cluster, pod, expected),
    idle: node.daemon.memory().resident,
  };
}

/** @param rounds measured ADDs in each of the two clusters */
export async function benchObjects(rounds: number, progress: Progress): Promise<ObjectsReport> {
  await using resources = new AsyncDisposableStack();
  const counted = new Rounds(progress, rounds + warmUps);
  const sides: Side[] = [];
  for (const population of [few, many]) {
    await counted.begin(`a cluster with ${nameOf(population)} starts`);
    sides.push(await populate(population, resources));
  }
  const subjects = sides.map(({ subject }) => subject);
  const what = subjects.map(({ name }) => name).join("; ");
  await interleave(subjects, podsBefore, () => counted.begin(`${what}, warm-up`));
  const series = await interleave(subjects, rounds, () => counted.ended(what));
  await sleep(1000);
  const walls = series.map(({ add }) => add.map(({ wall }) => wall));
  const [first, second] = sides.map(({ population, bench, idle }, index): ObjectsRow => {
    const { resident, peak } = bench.node.daemon.memory();
    return {
      ...population,
      wall: summarize(walls[index] ?? []),
      idleMegabytes: idle / 1024,
      peakMegabytes: peak / 1024,
      afterMegabytes: resident / 1024,
    };
  });
  const [wallsOfFew = [], wallsOfMany = []] = walls;
  if (first === undefined || second === undefined) throw new Error("there are two clusters");
  const measured: Sample = { of: wallsOfMany, base: wallsOfFew };
  return {
    few: first,
    many: second,
    rounds: measured,
    judged: [
      { bound: "objects", what: "ADD with four networks", measured },
      { bound: "memoryInCluster", what: "2,000 networks and 250 pods", measured: second.peakMegabytes },
    ],
  };
}
