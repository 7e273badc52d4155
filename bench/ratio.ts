/** Ratios of medians, with the interval that the rounds leave: what bounds are about. */

import { median, quantileOf } from "../src/ctl/text/statistics.ts";

/** Measurements of the same rounds, in order, all in one unit. The quantity is `(median of − median less) / median base`. */
export interface Sample {
  readonly of: readonly number[];
  /** Taken away from it; undefined: nothing. */
  readonly less?: readonly number[];
  readonly base: readonly number[];
}

export interface Ratio {
  readonly value: number;
  /** Its 95 % interval; from minus to plus infinity where there are too few rounds. */
  readonly interval: readonly [number, number];
}

/** With fewer rounds the resampled ones say nothing: a bound is then never missed beyond doubt. */
const fewestRounds = 6;
const resamplings = 1_000;

/** A generator of numbers from 0 to 1, the same in every run: a report read twice says the same (Marsaglia's xorshift, 32 bits). */
function numbers(): () => number {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function quantity({ of, less, base }: Sample): number {
  return (median(of) - (less === undefined ? 0 : median(less))) / median(base);
}

/**
 * The ratio and its interval, by resampling whole rounds (percentile bootstrap): all series of a round were measured beside each other, so what slowed
 * one of them down has slowed the others down, too.
 * @throws {Error} where the series are not of the same rounds, or there is none
 */
export function ratioOf(sample: Sample): Ratio {
  const { of, less, base } = sample;
  const rounds = of.length;
  if (rounds === 0 || base.length !== rounds || (less?.length ?? rounds) !== rounds) {
    throw new Error(`series of ${rounds}, ${less?.length ?? "no"} and ${base.length} rounds are compared`);
  }
  const value = quantity(sample);
  if (rounds < fewestRounds) return { value, interval: [-Infinity, Infinity] };
  const next = numbers();
  const values: number[] = [];
  for (let time = 0; time < resamplings; time++) {
    const drawn = Array.from({ length: rounds }, () => Math.floor(next() * rounds));
    const pick = (series: readonly number[]) => drawn.map((round) => series[round] ?? Number.NaN);
    values.push(
      quantity({
        of: pick(of),
        base: pick(base),
        ...(less === undefined ? {} : { less: pick(less) }),
      }),
    );
  }
  values.sort((a, b) => a - b);
  return { value, interval: [quantileOf(values, 0.025), quantileOf(values, 0.975)] };
}

/** The rounds of two measurements of the same thing. */
export function pooled(first: Sample, second: Sample): Sample {
  return {
    of: [...first.of, ...second.of],
    base: [...first.base, ...second.base],
    ...(first.less === undefined || second.less === undefined
      ? {}
      : { less: [...first.less, ...second.less] }),
  };
}
