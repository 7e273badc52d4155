/** The bounds that a change must not miss: what `npm run bench -- --gate` checks. */

import type { DensityReport } from "./density.ts";
import type { KernelRow } from "./kernels.ts";
import type { AttachRow } from "./rounds.ts";
import { ownName } from "./subjects.ts";

export const bounds = {
  /** Time through multus minus the delegates', milliseconds, by number of networks; ADD and DEL alike. */
  overhead: new Map([
    [1, 2.5],
    [4, 5],
  ]),
  /** How many times faster than its TypeScript twin a kernel is. */
  kernelRatio: 4,
  /** Resident memory of the daemon, MB, with 110 pods at once. */
  memory: 90,
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

/** Real delegates vary by more than multus takes: missed is what is missed beyond that noise. The free ones hardly vary. */
export function missedByAttachments(rows: readonly AttachRow[]): Missed[] {
  return rows.flatMap(({ delegates, subject, networks, command, overhead }) => {
    const bound = bounds.overhead.get(networks);
    if (subject !== ownName || bound === undefined || overhead === undefined) return [];
    if (Math.min(overhead.median, overhead.interval[0]) <= bound) return [];
    const text = `${overhead.median.toFixed(2)} ms over the delegates, wanted ${bound} at most`;
    return [{ bound: `${command} of ${networks} (${delegates})`, text }];
  });
}

export function missedByDensity({ peakMegabytes, pods }: DensityReport): Missed[] {
  if (peakMegabytes <= bounds.memory) return [];
  const text = `${peakMegabytes.toFixed(0)} MB with ${pods} pods, wanted ${bounds.memory} at most`;
  return [{ bound: "the daemon's memory", text }];
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
