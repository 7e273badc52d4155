/** The bounds of `npm run bench -- --gate`, which every change must keep. */

import type { DensityReport } from "./density.ts";
import type { KernelRow } from "./kernels.ts";
import type { ObjectsReport } from "./objects.ts";
import type { AttachRow } from "./rounds.ts";
import { aloneName, ownName } from "./subjects.ts";

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
  /**
   * What a network with a device takes over the same without, milliseconds, in a pod with several; ADD and DEL alike. One alone takes 1.4 ms to 1.5 ms and has no bound: the question to the
   * kubelet, which is asked once for all of a pod's devices, is 1 ms of that, and half of it the answer of this benchmark's own kubelet.
   */
  devices: 1,
  /** How many times faster than its TypeScript twin a kernel is. */
  kernelRatio: 4,
  /** Resident memory of the daemon, MB, with 110 pods at once. */
  memory: 90,
  /** The same where it belongs to a cluster, one of 2,000 networks and 250 pods on the node too. */
  memoryInCluster: 110,
  /** How many times as long as among few objects an ADD takes among many. */
  objectsRatio: 1.1,
} as const;

/**
 * The time of one free delegate alone, milliseconds, on the machine that the bounds in milliseconds were set on; in a cluster its server is at work beside it.
 * The same machine has days on which everything takes half as long again.
 */
const freeDelegate = { alone: 0.6, inCluster: 0.95 };
/** A machine that is slower than that by more is measured against this. */
const mostSlowdown = 2;

/** How many times slower than that machine this one is, by the delegates of the same run; 1 where it is faster. @param reference milliseconds */
function slowdown(rows: readonly AttachRow[], reference: number): number {
  const alone = rows.filter(
    ({ delegates, command, subject }) => delegates === "free" && command === "ADD" && subject === aloneName,
  );
  const fastest = Math.min(...alone.map(({ wall, networks }) => wall.median / networks));
  return Number.isFinite(fastest) ? Math.min(Math.max(fastest / reference, 1), mostSlowdown) : 1;
}

function onFasterMachine(slower: number): string {
  return slower > 1 ? ` on a machine that is ${slower.toFixed(1)} times faster` : "";
}

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
 * @param reference what one of the free ones takes on the machine that the bounds are for, milliseconds
 * @param where words for the bound's name
 */
function missedOverheads(
  rows: readonly AttachRow[],
  allowed: OverheadBounds,
  reference: number,
  where: string,
): Missed[] {
  const slower = slowdown(rows, reference);
  return rows.flatMap(({ delegates, subject, networks, command, overhead }) => {
    const bound = allowed.get(networks);
    if (!subject.startsWith(ownName) || bound === undefined || overhead === undefined) return [];
    if (Math.min(overhead.median, overhead.interval[0]) <= bound * slower) return [];
    const text = `${overhead.median.toFixed(2)} ms over the delegates, wanted ${bound} at most${onFasterMachine(slower)}`;
    return [
      { bound: `${command} of ${networks} (${delegates})${where}${subject.slice(ownName.length)}`, text },
    ];
  });
}

export function missedByAttachments(rows: readonly AttachRow[]): Missed[] {
  return missedOverheads(rows, bounds.overhead, freeDelegate.alone, "");
}

/** Missed where the whole interval is above the bound, by a pod with several devices. @param rows of part devices: `overhead` is over the same networks without devices */
export function missedByDevices(rows: readonly AttachRow[]): Missed[] {
  const slower = slowdown(rows, freeDelegate.alone);
  return rows.flatMap(({ networks, command, overhead }) => {
    const allowed = bounds.devices * (networks - 1);
    if (overhead === undefined || networks <= 2) return [];
    if (Math.min(overhead.median, overhead.interval[0]) <= allowed * slower) return [];
    const text = `${overhead.median.toFixed(2)} ms over the same without devices, wanted ${allowed} at most${onFasterMachine(slower)}`;
    return [{ bound: `${command} with ${networks - 1} devices`, text }];
  });
}

export function missedInCluster(rows: readonly AttachRow[]): Missed[] {
  return missedOverheads(rows, bounds.overheadInCluster, freeDelegate.inCluster, " in a cluster");
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
