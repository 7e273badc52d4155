/**
 * How the cost of some work grows with its size. Never how long it takes: a machine may be four times slower a second later, and other tests run beside this one. Each
 * block of work is the same amount of input, in few large pieces or in many small ones, so that blocks of work that is linear take the same time, and of quadratic work
 * as many times more as the pieces are larger. Blocks of all sizes take turns, the least of each counts, and it is CPU time of this process: what a collector's thread does is
 * cost as well. (The kernel counts a single thread's only in ticks.)
 */

import { cpuTime } from "./cpu-time.ts";

/** A piece of work of one size, ready to run. It may throw: what is refused costs too. */
export type Work = () => unknown;

export interface GrowthOptions {
  /** Sizes, the smallest first; each divides the last. Two are enough: what is between them says nothing more. */
  readonly sizes: readonly number[];
  /** Makes the work of a size; what it makes is not counted. */
  readonly work: (size: number) => Work;
}

/** Turns that are taken at least; and at most, where the growth still looks too large: the least times can only come down. */
const fewestTurns = 2;
const mostTurns = 20;
/** A turn whose times are all more than this part of the least ones brings nothing new: on a busy machine the engine's compiler has its turn late. */
const settled = 0.8;
/** Microseconds of CPU time that a block should take at least. */
const shortestBlock = 1_000;

/** Growth that linear work may show: caches of the processor and the collector see larger pieces too. Quadratic work over sizes of 1 and 8 shows 8. */
export const linear = 3;

function timeOf(work: Work, times: number): number {
  const start = cpuTime();
  for (let round = 0; round < times; round++) work();
  return cpuTime() - start;
}

/**
 * @param enough growth that is good enough, so that no further turns are taken
 * @returns time per input of the largest pieces over that of the smallest: 1 for linear work
 */
export function growth({ sizes, work }: GrowthOptions, enough: number = linear): number {
  const largest = sizes.at(-1) ?? 1;
  const blocks = sizes.map((size) => ({ run: work(size), times: largest / size, least: Infinity }));
  // The engine compiles what runs often: the first runs are not those that count.
  const [first] = blocks;
  const once = first === undefined ? 0 : timeOf(first.run, first.times);
  const repeat = Math.min(Math.ceil(shortestBlock / Math.max(once, 1)), 64);
  for (let turn = 1; ; turn++) {
    let isSettled = true;
    for (const block of blocks) {
      const time = timeOf(block.run, block.times * repeat);
      isSettled &&= time > block.least * settled;
      block.least = Math.min(block.least, time);
    }
    const grown = (blocks.at(-1)?.least ?? 0) / (blocks[0]?.least || 1);
    if (turn >= mostTurns || (turn >= fewestTurns && isSettled && grown < enough)) return grown;
  }
}

/** The work, with what it throws as its result. */
export function refused(work: Work): Work {
  return () => {
    try {
      work();
    } catch (error) {
      return error;
    }
    throw new Error("nothing was refused");
  };
}
