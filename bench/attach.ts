/** ADD and DEL of a pod, through multus-wasm, through peers, and by the delegates alone: interleaved in one run, in changing order. */

import { count as countText } from "../src/ctl/text/quantities.ts";
import type { TestNode } from "../test/support/test-node.ts";
import { BenchNode } from "./bench-node.ts";
import type { BoundName } from "./bounds.ts";
import type { Judged } from "./gate.ts";
import { type BenchNetwork, freeNetworks, selection } from "./networks.ts";
import { type Progress, Rounds } from "./progress.ts";
import {
  type AttachRow,
  commands,
  interleave,
  overInUnits,
  podsBefore,
  rows,
  type Series,
  unitOf,
  warmUps,
} from "./rounds.ts";
import { untilFilesSettle } from "./settled-files.ts";
import {
  aloneName,
  delegatesAlone,
  type Fault,
  multusWasm,
  ownName,
  type Peer,
  peerSubject,
  type Site,
  type Subject,
  unit,
} from "./subjects.ts";

/** The networks that a pod is attached to. */
export interface AttachCase {
  readonly delegates: AttachRow["delegates"];
  /** The first is the cluster network. */
  readonly networks: readonly BenchNetwork[];
  /** Of the delegates' plugins. */
  readonly directory: string;
}

/** Networks whose delegates cost nothing. @param count at least 1 */
export function freeCase(node: TestNode, count: number): AttachCase {
  return { delegates: "free", networks: freeNetworks(count), directory: node.binDir };
}

/** A case with what its rounds were. */
export interface MeasuredCase {
  readonly one: AttachCase;
  readonly series: readonly Series[];
}

/** The measurement of attachments. */
export interface AttachReport {
  readonly rows: readonly AttachRow[];
  /** The unit of the bounds: one start of the free delegate, milliseconds, by number of networks of the rounds. */
  readonly units: Readonly<Record<string, number>>;
  readonly judged: readonly Judged[];
}

export function reportOf(measured: readonly MeasuredCase[], judged: readonly Judged[]): AttachReport {
  return {
    rows: measured.flatMap(({ one, series }) => rows(one.delegates, one.networks.length, series)),
    units: Object.fromEntries(measured.map(({ one, series }) => [one.networks.length, unitOf(series)])),
    judged,
  };
}

/**
 * Measures all cases, each with a pod of its own.
 * @param rounds measured runs of each subject, by case
 * @param subjectsOf makes what is measured
 * @param before rounds of the first case before anything is measured
 */
export async function measureCases(
  { node, runner }: BenchNode,
  cases: readonly AttachCase[],
  rounds: (one: AttachCase) => number,
  subjectsOf: (one: AttachCase, site: Site) => Promise<readonly Subject[]>,
  progress: Progress,
  before?: number,
): Promise<MeasuredCase[]> {
  const result: MeasuredCase[] = [];
  // With each network a round takes longer.
  const total = cases.reduce((sum, one) => sum + (rounds(one) + warmUps) * (one.networks.length + 1), 0);
  const counted = new Rounds(progress, total);
  for (const one of cases) {
    const { delegates, networks } = one;
    const count = networks.length;
    const pod = await node.pod(`bench-${delegates.split(" ")[0]}-${count}`, selection(networks));
    const subjects = await subjectsOf(one, { node, runner, pod });
    // Measured is a daemon that knows its files.
    await untilFilesSettle(node);
    const what = `${delegates}, ${countText(count, "network")}`;
    if (result.length === 0) {
      const own = subjects.filter(({ name }) => name.startsWith(ownName)).length;
      const started = () => counted.begin(`${what}, warm-up`);
      await interleave(subjects, before ?? Math.ceil(podsBefore / own), started);
    }
    const series = await interleave(subjects, rounds(one), () => counted.ended(what, count + 1));
    result.push({ one, series });
  }
  return result;
}

/** The bound of what multus adds, by number of networks. */
const overheadBounds: ReadonlyMap<number, BoundName> = new Map([
  [1, "overheadOfOne"],
  [4, "overheadOfFour"],
]);

/**
 * Networks whose delegates cost nothing: what is left is multus alone, with hardly any noise.
 * @param rounds measured runs of each subject per case
 * @param fault makes the same calls take more
 */
export async function benchAttach(
  rounds: number,
  peers: readonly Peer[],
  progress: Progress,
  fault: Fault = async () => ({}),
): Promise<AttachReport> {
  await using bench = await BenchNode.start({ daemonConfig: { logLevel: "panic" } });
  await using resources = new AsyncDisposableStack();
  const own = await fault(bench.node, resources);
  const subjectsOf = async ({ networks, directory }: AttachCase, site: Site): Promise<Subject[]> => {
    const [, ...selected] = networks;
    for (const { name, config } of selected) site.node.writeNetwork(`default/${name}`, config);
    return [
      unit(site),
      delegatesAlone(site, networks, directory),
      multusWasm(site, ownName, networks, { annotationsFrom: "request", ...own }),
      ...peers.map((peer) => peerSubject(site, peer, { delegates: networks.map(({ config }) => config) })),
    ];
  };
  const cases = [1, 4].map((count) => freeCase(bench.node, count));
  const measured = await measureCases(bench, cases, () => rounds, subjectsOf, progress);
  return reportOf(measured, measured.flatMap(judgedOverhead));
}

function judgedOverhead({ one, series }: MeasuredCase): Judged[] {
  const bound = overheadBounds.get(one.networks.length);
  if (bound === undefined) return [];
  return commands.map((command) => ({
    bound,
    what: command,
    measured: overInUnits(series, command, ownName, aloneName),
  }));
}
