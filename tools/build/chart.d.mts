/** Types of chart.mjs, for tests that install what it packs. */

/** See chart.mjs. */
export function writeChart(
  out: string,
  image: string,
  time: number,
): Promise<{ readonly digest: string; readonly package: string }>;
