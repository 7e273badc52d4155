/** ADD and DEL of a pod, through multus-wasm, through peers, and by the delegates alone: interleaved in one run, in changing order. */

import { setTimeout as sleep } from "node:timers/promises";
import { debianPlugins, type TestNode } from "../test/support/test-node.ts";
import { BenchNode } from "./bench-node.ts";
import { type BenchNetwork, freeNetworks, realNetworks, selection } from "./networks.ts";
import { type AttachRow, interleave, podsBefore, rows, type Series, warmUps } from "./rounds.ts";
import {
  delegatesAlone,
  multusWasm,
  ownName,
  type Peer,
  peerSubject,
  type Site,
  type Subject,
} from "./subjects.ts";

/** The networks that a pod is attached to. */
export interface AttachCase {
  readonly delegates: AttachRow["delegates"];
  /** The first is the cluster network. */
  readonly networks: readonly BenchNetwork[];
  /** Of the delegates' plugins. */
  readonly directory: string;
}

/** Told the case that runs and the share of it that is done. */
export type Progress = (what: string, done: number) => void;

/**
 * @param free numbers of networks whose delegates cost nothing
 * @param real of those with bridge and macvlan
 */
export function attachCases(node: TestNode, free: readonly number[], real: readonly number[]): AttachCase[] {
  return [
    ...free.map((count): AttachCase => {
      return { delegates: "free", networks: freeNetworks(count), directory: node.binDir };
    }),
    ...real.map((count): AttachCase => {
      const networks = realNetworks(count, node.ipamDir);
      return { delegates: "bridge and macvlan", networks, directory: debianPlugins };
    }),
  ];
}

/**
 * Measures all cases, each with a pod of its own.
 * @param rounds measured runs of each subject per case
 * @param subjectsOf makes what is measured; the first is what the others are compared with
 * @param report told the series of a case when it is complete
 */
export async function measureCases(
  { node, runner }: BenchNode,
  cases: readonly AttachCase[],
  rounds: number,
  subjectsOf: (one: AttachCase, site: Site) => Promise<readonly Subject[]>,
  progress: Progress,
): Promise<AttachRow[]> {
  const result: AttachRow[] = [];
  for (const one of cases) {
    const { delegates, networks } = one;
    const count = networks.length;
    const pod = await node.pod(`bench-${delegates.split(" ")[0]}-${count}`, selection(networks));
    const subjects = await subjectsOf(one, { node, runner, pod });
    // A file that has just changed is read again at every look (src/base/file-state.ts): measured is a daemon that knows its files.
    await sleep(500);
    if (result.length === 0) {
      const own = subjects.filter(({ name }) => name.startsWith(ownName)).length;
      await interleave(subjects, Math.ceil(podsBefore / own), () => {});
    }
    let done = 0;
    const series: Series[] = await interleave(subjects, rounds, () => {
      done += 1;
      progress(`${delegates}, ${count} network${count === 1 ? "" : "s"}`, done / (rounds + warmUps));
    });
    result.push(...rows(delegates, count, series));
  }
  return result;
}

/** @param rounds measured runs of each subject per case */
export async function benchAttach(
  rounds: number,
  peers: readonly Peer[],
  progress: Progress,
): Promise<AttachRow[]> {
  await using bench = await BenchNode.start({ daemonConfig: { logLevel: "panic" } });
  const cases = attachCases(bench.node, [1, 4], [1, 4, 8]);
  const subjectsOf = async ({ networks, directory }: AttachCase, site: Site): Promise<Subject[]> => {
    const [, ...selected] = networks;
    for (const { name, config } of selected) site.node.writeNetwork(`default/${name}`, config);
    return [
      delegatesAlone(site, networks, directory),
      multusWasm(site, ownName, networks, "request"),
      ...peers.map((peer) => peerSubject(site, peer, { delegates: networks.map(({ config }) => config) })),
    ];
  };
  return await measureCases(bench, cases, rounds, subjectsOf, progress);
}
