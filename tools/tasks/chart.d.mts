/** Types of chart.mjs, for the test of the chart's README. */

/** See chart.mjs. */
export function chartValues(): readonly {
  /** Its name, as for `--set`. */
  readonly name: string;
  /** Its default, as in YAML on one line; without one it is a group. */
  readonly value: string | undefined;
  /** The comment above it; "" where there is none. */
  readonly about: string;
}[];

/** See chart.mjs. */
export function chartReadme(): string;
