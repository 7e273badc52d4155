/** A distribution: for each series the share of its values that are at most so large. */

import { quantileOf } from "../../text/statistics.ts";
import { at, axisMarks, colourOf, escapeMarkup, legend, svg } from "./svg.ts";

export interface Distribution {
  readonly label: string;
  /** At least one. */
  readonly values: readonly number[];
}

/** Points of a line: more are not seen at this width. */
const mostPoints = 400;

/** @param title what it is of @param unit of the values */
export function stepChart(title: string, unit: string, series: readonly Distribution[]): string {
  const [width, left, right, top, bottom] = [860, 56, 20, 16, 300];
  const sorted = series.map(({ label, values }) => ({ label, values: values.toSorted((a, b) => a - b) }));
  // A single value far out would press all others to the left.
  const highest = Math.max(1e-3, ...sorted.map(({ values }) => quantileOf(values, 0.99) * 1.1));
  const x = (value: number): number => left + (Math.min(value, highest) / highest) * (width - left - right);
  const y = (share: number): number => bottom - share * (bottom - top);
  const grid = [
    ...[0, 0.25, 0.5, 0.75, 0.9, 1].map(
      (share) =>
        `<line class="grid" x1="${left}" x2="${width - right}" y1="${at(y(share))}" y2="${at(y(share))}"/><text class="axis" x="${left - 8}" y="${at(y(share) + 4)}" text-anchor="end">${share * 100} %</text>`,
    ),
    ...axisMarks(highest, 8).map(
      (mark) =>
        `<line class="grid" x1="${at(x(mark))}" x2="${at(x(mark))}" y1="${top}" y2="${bottom}"/><text class="axis" x="${at(x(mark))}" y="${bottom + 18}" text-anchor="middle">${mark}</text>`,
    ),
    `<text class="axis" x="${width - right}" y="${bottom + 36}" text-anchor="end">${escapeMarkup(unit)}; the axis ends 10 % beyond the largest p99</text>`,
  ];
  const lines = sorted.map(({ label, values }, index) => {
    const points = Math.min(mostPoints, values.length);
    let path = `M${at(x(values[0] ?? 0))} ${at(y(0))}`;
    for (let point = 1; point <= points; point++) {
      const rank = Math.ceil((point * values.length) / points);
      path += `H${at(x(values[rank - 1] ?? 0))}V${at(y(rank / values.length))}`;
    }
    return `<path class="line ${colourOf(index)}" d="${path}H${width - right}"><title>${escapeMarkup(label)}</title></path>`;
  });
  const names = legend(
    sorted.map(({ label }, index) => ({ label, colour: colourOf(index) })),
    left,
    bottom + 48,
    width - left - right,
  );
  return svg(title, width, bottom + 52 + names.height, [...grid, ...lines, ...names.parts]);
}
