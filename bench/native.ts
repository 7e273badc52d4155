/**
 * Real networks of a pod of a real cluster, by the plugins alone, and through multus-wasm with the plugins executed, executed at once, and carried out
 * natively. Networks from the API, network-status and events as in api.ts.
 */

import { DaemonTimes } from "../src/ctl/bench/daemon-times.ts";
import { meanWaits, type TimedCall, type Wait } from "../src/ctl/bench/waits.ts";
import { type AttachCase, type AttachReport, type MeasuredCase, measureCases, reportOf } from "./attach.ts";
import { BenchNode } from "./bench-node.ts";
import type { BoundName } from "./bounds.ts";
import { BenchCluster, clusterStarts } from "./cluster.ts";
import type { Judged } from "./gate.ts";
import { subjectsInCluster } from "./in-cluster.ts";
import { realNetworks } from "./networks.ts";
import { installPlugins } from "./plugins.ts";
import type { Progress } from "./progress.ts";
import { relay } from "./relay.ts";
import { cpusOf, overInUnits, processesOf, seriesOf, shareOf, warmUps } from "./rounds.ts";
import { aloneName, multusWasm, ownName, type Peer, type Site, type Subject } from "./subjects.ts";

/** Names of our subjects. */
export const executedName = `${ownName}, executed`;
export const nativeName = `${ownName}, native`;
export const atOnceName = `${ownName}, executed at once`;

/** Set over the netconf for the native subject. */
export const nativeNetconf = { nativeNetworks: "auto" } as const;

/** Our subjects: what each sets over the netconf, and the number of networks that it is measured with, if not all. */
const ways: readonly {
  readonly name: string;
  readonly netconf: Readonly<Record<string, string>>;
  readonly of?: number;
}[] = [
  { name: executedName, netconf: {} },
  { name: nativeName, netconf: nativeNetconf },
  { name: atOnceName, netconf: { attachConcurrency: "auto" }, of: 4 },
];

/** Share of the rounds that a case gets, by number of networks: many take long, and vary little in proportion. */
const shareOfRounds: ReadonlyMap<number, number> = new Map([
  [1, 0.5],
  [4, 0.4],
  [8, 0.2],
]);

/** The parts of an ADD's time, as the daemon tells them; means. */
export interface Phases {
  readonly networks: number;
  readonly subject: string;
  readonly waits: readonly Wait[];
}

export interface NativeReport extends AttachReport {
  /** Where the time of an ADD goes. */
  readonly phases: readonly Phases[];
}

/** @param rounds measured runs of each subject: half of them with one network, fewer with many */
export async function benchNative(
  rounds: number,
  peers: readonly Peer[],
  progress: Progress,
): Promise<NativeReport> {
  await progress(clusterStarts, 0);
  await using cluster = await BenchCluster.start();
  await using bench = await BenchNode.start(await cluster.nodeOptions());
  await using resources = new AsyncDisposableStack();
  const { node } = bench;
  if (peers.length > 0) resources.use(await relay(node.network, cluster.api.port));
  await installPlugins(node.binDir);
  await node.untilReady();
  const times = new DaemonTimes(node.socketDir);
  const timings: { readonly networks: number; readonly subject: string; readonly calls: TimedCall[] }[] = [];

  const subjectsOf = (one: AttachCase, siteOfPod: Site): Promise<Subject[]> =>
    subjectsInCluster(cluster, one, siteOfPod, peers, (site) =>
      ways
        .filter(({ of }) => of === undefined || of === one.networks.length)
        .map(({ name, netconf }) => {
          const calls: TimedCall[] = [];
          timings.push({ networks: one.networks.length, subject: name, calls });
          const subject = multusWasm(site, name, one.networks, { annotationsFrom: "cluster", netconf });
          return { subject: timed(subject, times, calls) };
        }),
    );

  const cases = Array.from(shareOfRounds.keys(), (count): AttachCase => {
    const networks = realNetworks(count, node.ipamDir, `of-${count}-`);
    return { delegates: "bridge and macvlan", networks, directory: node.binDir };
  });
  const roundsOf = ({ networks }: AttachCase) =>
    Math.ceil(rounds * (shareOfRounds.get(networks.length) ?? 1));
  const measured = await measureCases(bench, cases, roundsOf, subjectsOf, progress, podsBefore);
  return {
    ...reportOf(measured, measured.flatMap(judgedNative)),
    // Without those of the rounds that are not measured.
    phases: timings.map(({ networks, subject, calls }) => ({
      networks,
      subject,
      waits: meanWaits(calls.slice(podsBefore + warmUps)),
    })),
  };
}

/** Rounds before anything is measured: with real networks one takes a second. */
const podsBefore = 5;

/** A subject whose ADDs' times the daemon is asked for, when they have been measured. */
function timed(subject: Subject, times: DaemonTimes, calls: TimedCall[]): Subject {
  let milliseconds = 0;
  return {
    ...subject,
    async add(containerId) {
      const cost = await subject.add(containerId);
      milliseconds = cost.wall;
      return cost;
    },
    async del(containerId) {
      const timing = (await times.of("ADD")).get(containerId);
      if (timing !== undefined) calls.push({ milliseconds, timing });
      return subject.del(containerId);
    },
  };
}

const addBounds: ReadonlyMap<number, BoundName> = new Map([
  [1, "nativeOne"],
  [4, "nativeFour"],
  [8, "nativeEight"],
]);

function judgedNative({ one, series }: MeasuredCase): Judged[] {
  const count = one.networks.length;
  const bound = addBounds.get(count);
  const what = (command: string) => `${command} of ${count}`;
  return [
    ...(bound === undefined
      ? []
      : [{ bound, what: what("ADD"), measured: shareOf(series, "ADD", nativeName, aloneName) }]),
    ...(count === 1
      ? []
      : [
          {
            bound: "nativeDel" as const,
            what: what("DEL"),
            measured: shareOf(series, "DEL", nativeName, aloneName),
          },
        ]),
    ...(count === 4
      ? ([
          {
            bound: "nativeCpu",
            what: what("ADD"),
            measured: {
              of: cpusOf(seriesOf(series, nativeName), "ADD"),
              base: cpusOf(seriesOf(series, aloneName), "ADD"),
            },
          },
          {
            bound: "nativeProcesses",
            what: what("ADD"),
            measured: processesOf(seriesOf(series, nativeName), "ADD") ?? Infinity,
          },
          {
            bound: "inOrder",
            what: what("ADD"),
            measured: overInUnits(series, "ADD", executedName, aloneName),
          },
          {
            bound: "atOnce",
            what: what("ADD"),
            measured: shareOf(series, "ADD", atOnceName, executedName),
          },
        ] as const)
      : []),
  ];
}
