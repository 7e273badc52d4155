/** Quantities and their parts: horizontal bars, whose segments add up. */

import { at, axisMarks, escapeMarkup, legend, shortened, svg } from "./svg.ts";

export interface StackedBar {
  readonly label: string;
  readonly segments: readonly Segment[];
}

export interface Segment {
  readonly label: string;
  /** Negative ones, from clocks of two processes, are drawn as nothing. */
  readonly value: number;
  /** Class of the page's style sheet. */
  readonly colour: string;
}

/** Characters of a label. */
const longestLabel = 48;

/** @param title what it is of @param unit of the values */
export function stackedBars(title: string, unit: string, bars: readonly StackedBar[]): string {
  const [width, right, top, rowHeight] = [860, 70, 8, 34];
  const left = Math.min(
    350,
    24 + 7 * Math.max(...bars.map(({ label }) => Math.min(longestLabel, label.length))),
  );
  const sumOf = ({ segments }: StackedBar) =>
    segments.reduce((sum, { value }) => sum + Math.max(0, value), 0);
  const highest = Math.max(1e-3, ...bars.map(sumOf));
  const bottom = top + bars.length * rowHeight;
  const x = (value: number): number => left + (value / highest) * (width - left - right);
  const marks = axisMarks(highest, 8).map(
    (mark) =>
      `<line class="grid" x1="${at(x(mark))}" x2="${at(x(mark))}" y1="${top}" y2="${bottom}"/><text class="axis" x="${at(x(mark))}" y="${bottom + 18}" text-anchor="middle">${mark}</text>`,
  );
  const rows = bars.map((bar, row) => {
    const y = top + row * rowHeight + 5;
    let from = 0;
    const segments = bar.segments.map(({ label, value, colour }) => {
      const start = from;
      from += Math.max(0, value);
      const about = `${bar.label}: ${label} ${value.toFixed(2)} ${unit}`;
      return `<rect class="${colour}" x="${at(x(start))}" y="${y}" width="${at(x(from) - x(start))}" height="${rowHeight - 10}"><title>${escapeMarkup(about)}</title></rect>`;
    });
    return [
      `<text x="${left - 10}" y="${y + 16}" text-anchor="end">${escapeMarkup(shortened(bar.label, longestLabel))}<title>${escapeMarkup(bar.label)}</title></text>`,
      ...segments,
      `<text x="${at(x(from) + 8)}" y="${y + 16}">${from.toFixed(2)}</text>`,
    ].join("");
  });
  const colours = new Map(
    bars.flatMap(({ segments }) => segments.map(({ label, colour }) => [label, colour])),
  );
  const names = legend(
    Array.from(colours, ([label, colour]) => ({ label, colour })),
    24,
    bottom + 44,
    width - 24 - right,
  );
  return svg(title, width, bottom + 48 + names.height, [
    ...marks,
    `<text class="axis" x="${width - right}" y="${bottom + 34}" text-anchor="end">${escapeMarkup(unit)}</text>`,
    ...rows,
    ...names.parts,
  ]);
}
