/** The bounds that a change must not miss: what `npm run bench -- --gate` checks. */

import type { DensityReport } from "./density.ts";
import type { KernelRow } from "./kernels.ts";
import type { ObjectsReport } from "./objects.ts";
import type { AttachRow } from "./rounds.ts";
import { ownName } from "./subjects.ts";

/** Milliseconds, by number of networks. */
type OverheadBounds = ReadonlyMap<number, number>;

export const bounds = {
  /** Time through multus minus the delegates', milliseconds, by number of networks; ADD and DEL alike. */
  overhead: new Map([
    [1, 2.5],
    [4, 5],
  ]),
  /** The same in a cluster, with networks from its API, network-status and events. */
  overheadInCluster: new Map([[4, 6]]),
  /** How many times faster than its TypeScript twin a kernel is. */
  kernelRatio: 4,
  /** Resident memory of the daemon, MB, with 110 pods at once. */
  memory: 90,
  /** The same where it belongs to a cluster, one of 2,000 networks and 250 pods on the node too. */
  memoryInCluster: 110,
  /** How many times as long as among few objects an ADD takes among many. */
  objectsRatio: 1.1,
} as const;

/** A bound that is missed. */
export interface Missed {
  /** Which bound: the same in every measurement. */
  readonly bound: string;
  /** By how much. */
  readonly text: string;
}

export function missedByKernels(rows: readonly KernelRow[]): Missed[] {
  return rows
    .filter(({ ratio }) => ratio < bounds.kernelRatio)
    .map(({ kernel, size, ratio }) => ({
      bound: `kernel ${kernel} at ${size}`,
      text: `${ratio.toFixed(1)} times its twin, wanted ${bounds.kernelRatio}`,
    }));
}

/**
 * Real delegates vary by more than multus takes: missed is what is missed beyond that noise. The free ones hardly vary.
 * @param where words for the bound's name
 */
function missedOverheads(rows: readonly AttachRow[], allowed: OverheadBounds, where: string): Missed[] {
  return rows.flatMap(({ delegates, subject, networks, command, overhead }) => {
    const bound = allowed.get(networks);
    if (!subject.startsWith(ownName) || bound === undefined || overhead === undefined) return [];
    if (Math.min(overhead.median, overhead.interval[0]) <= bound) return [];
    const text = `${overhead.median.toFixed(2)} ms over the delegates, wanted ${bound} at most`;
    return [
      { bound: `${command} of ${networks} (${delegates})${where}${subject.slice(ownName.length)}`, text },
    ];
  });
}

export function missedByAttachments(rows: readonly AttachRow[]): Missed[] {
  return missedOverheads(rows, bounds.overhead, "");
}

export function missedInCluster(rows: readonly AttachRow[]): Missed[] {
  return missedOverheads(rows, bounds.overheadInCluster, " in a cluster");
}

function missedMemory(megabytes: number, bound: number, what: string): Missed[] {
  if (megabytes <= bound) return [];
  const text = `${megabytes.toFixed(0)} MB, wanted ${bound} at most`;
  return [{ bound: `the daemon's memory with ${what}`, text }];
}

export function missedByDensity(report: DensityReport): Missed[] {
  const { pods, peakMegabytes, statusSeconds } = report;
  return statusSeconds === undefined
    ? missedMemory(peakMegabytes, bounds.memory, `${pods} pods`)
    : missedMemory(peakMegabytes, bounds.memoryInCluster, `${pods} pods in a cluster`);
}

/** The ratio is missed when its whole interval is above the bound. */
export function missedByObjects({ many, ratio, interval }: ObjectsReport): Missed[] {
  const { networks, pods, peakMegabytes } = many;
  const what = `${networks} networks and ${pods} pods`;
  const text = `${ratio.toFixed(2)} times as long as with few, wanted ${bounds.objectsRatio} at most`;
  return [
    ...(Math.min(ratio, interval[0]) > bounds.objectsRatio ? [{ bound: `ADD with ${what}`, text }] : []),
    ...missedMemory(peakMegabytes, bounds.memoryInCluster, what),
  ];
}

/**
 * Measures what missed a bound once more: another load on the machine may have done it.
 * @param again the same measurement
 * @returns what missed its bound both times, as it did the second time
 */
export async function missedTwice(
  first: readonly Missed[],
  again: () => Promise<readonly Missed[]>,
): Promise<Missed[]> {
  if (first.length === 0) return [];
  return (await again()).filter(({ bound }) => first.some((missed) => missed.bound === bound));
}
