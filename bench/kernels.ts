/** Measures every kernel against its TypeScript twin. */

import { Bench } from "tinybench";
import { summarize } from "../src/ctl/text/statistics.ts";
import { loadKernels } from "../src/kernels/load.ts";
import type { BoundName } from "./bounds.ts";
import type { Judged } from "./gate.ts";
import type { KernelCase } from "./kernel-cases/case.ts";
import { configCases } from "./kernel-cases/config.ts";
import { resultCases } from "./kernel-cases/result.ts";
import { type Progress, Rounds } from "./progress.ts";
import type { Sample } from "./ratio.ts";

/** One kernel at one size. Times are medians, of one call. */
export interface KernelRow {
  readonly kernel: string;
  readonly size: string;
  readonly kernelNanoseconds: number;
  readonly twinNanoseconds: number;
  /** How many times faster than the twin. */
  readonly ratio: number;
  /** Distance between the quartiles of `ratio` over the rounds. */
  readonly spread: number;
  /** Times of both, round by round, nanoseconds. */
  readonly rounds: Sample;
}

/** Kernel and twin alternate this often, so that other load of the machine affects both. */
const rounds = 7;
/** Of each in each round, milliseconds. */
const roundTime = 25;
/** A sample takes about this many nanoseconds, so that reading the clock does not count. */
const sampleTime = 50_000;

/** Calls in one sample: about sampleTime's worth, found by doubling. */
function callsPerSample(work: () => unknown): number {
  for (let calls = 1; ; calls *= 2) {
    const start = performance.now();
    for (let call = 0; call < calls; call++) work();
    if ((performance.now() - start) * 1e6 >= sampleTime) return calls;
  }
}

/** Median time of one call in nanoseconds, over one round. */
function measure(work: () => unknown): number {
  const calls = callsPerSample(work);
  const bench = new Bench({ time: roundTime, warmup: false, throws: true });
  bench.add("work", () => {
    for (let call = 0; call < calls; call++) work();
  });
  const [task] = bench.runSync();
  const result = task?.result;
  if (result === undefined || !("latency" in result)) throw new Error("the benchmark did not run");
  return (result.latency.p50 * 1e6) / calls;
}

/** Measures one kernel and its twin in turns. */
export function measureKernel({ kernel, size, runKernel, runTwin }: KernelCase): KernelRow {
  // Until both are compiled as well as they will be.
  for (const work of [runKernel, runTwin]) {
    const start = performance.now();
    while (performance.now() - start < 2 * roundTime) work();
  }
  const kernelTimes: number[] = [];
  const twinTimes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    kernelTimes.push(measure(runKernel));
    twinTimes.push(measure(runTwin));
  }
  const ratios = summarize(twinTimes.map((time, round) => time / (kernelTimes[round] ?? Number.NaN)));
  return {
    kernel,
    size,
    kernelNanoseconds: summarize(kernelTimes).median,
    twinNanoseconds: summarize(twinTimes).median,
    ratio: ratios.median,
    spread: ratios.spread,
    rounds: { of: kernelTimes, base: twinTimes },
  };
}

/** Bounds of kernels that are far below that of all. */
const kernelBounds: ReadonlyMap<string, BoundName> = new Map([
  ["splitConfig", "kernelSplit"],
  ["adjustConfig", "kernelAdjust"],
  ["mergeConfig", "kernelMerge"],
]);

/** For the gate. */
export function judgedKernels(rows: readonly KernelRow[]): Judged[] {
  return rows.map(({ kernel, size, rounds: measured }) => ({
    bound: kernelBounds.get(kernel) ?? "kernel",
    what: `${kernel} at ${size}`,
    measured,
  }));
}

/** Measures all kernels at all sizes; takes about 20 s. */
export async function benchKernels(progress: Progress): Promise<KernelRow[]> {
  const kernels = loadKernels();
  const all = [configCases, resultCases].flatMap((cases) => cases(kernels));
  const counted = new Rounds(progress, all.length);
  await counted.begin("all kernels");
  const rows: KernelRow[] = [];
  for (const one of all) {
    rows.push(measureKernel(one));
    await counted.ended(`${one.kernel} at ${one.size}`);
  }
  return rows;
}
