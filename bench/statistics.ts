/** Statistics of a series of measurements. */

export interface Summary {
  readonly count: number;
  readonly median: number;
  /** Distance between the first and the third quartile. */
  readonly spread: number;
  readonly p99: number;
}

/** The value below which the share `quantile` (0 to 1) of the sorted values lies, interpolated. */
function quantileOf(sorted: readonly number[], quantile: number): number {
  const position = (sorted.length - 1) * quantile;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}

/** @param values in any unit, at least one; the summary has the same unit */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    count: sorted.length,
    median: quantileOf(sorted, 0.5),
    spread: quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25),
    p99: quantileOf(sorted, 0.99),
  };
}

/**
 * Where the median of what the values were drawn from lies, with 95 % confidence: from the order of the values alone, so whatever their distribution
 * is (binomial ranks in their normal approximation).
 * @returns the interval's ends, in the values' unit
 */
export function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const reach = 0.98 * Math.sqrt(sorted.length);
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach));
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + reach));
  return [sorted[low] ?? Number.NaN, sorted[high] ?? Number.NaN];
}
