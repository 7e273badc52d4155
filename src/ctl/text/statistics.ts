/** Statistics of a series of measurements. */

export interface Summary {
  readonly count: number;
  readonly median: number;
  /** Distance between the first and the third quartile. */
  readonly spread: number;
  readonly p90: number;
  readonly p99: number;
}

/** Said below every column of spreads. */
export const spreadMeaning =
  "Spread: the distance between the first and the third quartile; the middle half of all runs lies within it.";

/** The difference of two series that were measured in the same rounds, in their unit. */
export interface PairedDifference {
  /** Median of the differences, round by round. */
  readonly median: number;
  /** Its 95 % interval; undefined: there are too few rounds to say so. */
  readonly interval: readonly [number, number] | undefined;
}

/** The value below which the share `quantile` (0 to 1) of the sorted values lies, interpolated. */
export function quantileOf(sorted: readonly number[], quantile: number): number {
  const position = (sorted.length - 1) * quantile;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}

/** @param values in any unit, at least one; the summary has the same unit */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    median: quantileOf(sorted, 0.5),
    spread: quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25),
    p90: quantileOf(sorted, 0.9),
    p99: quantileOf(sorted, 0.99),
  };
}

/** @param values at least one */
export function median(values: readonly number[]): number {
  return quantileOf(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/**
 * Where the median of what the values were drawn from lies, with 95 % confidence: from the order of the values alone, so whatever their distribution
 * is (binomial ranks in their normal approximation).
 * @returns the interval's ends, in the values' unit
 */
export function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const reach = 0.98 * Math.sqrt(sorted.length);
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach));
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + reach));
  return [sorted[low] ?? Number.NaN, sorted[high] ?? Number.NaN];
}

/** With five values even the interval from the smallest to the largest misses the median in 2 of 32 cases. */
const fewestForInterval = 6;

/**
 * Compares two series round by round: what slows the machine down slows both.
 * @param values and @param base of the same rounds, in order
 * @returns undefined where there is no round
 */
export function pairedDifference(
  values: readonly number[],
  base: readonly number[],
): PairedDifference | undefined {
  const differences = values.flatMap((value, round) => {
    const other = base[round];
    return other === undefined ? [] : [value - other];
  });
  if (differences.length === 0) return undefined;
  return {
    median: median(differences),
    interval: differences.length < fewestForInterval ? undefined : medianInterval(differences),
  };
}
