/** How a quantity grows: lines through medians, each with a whisker up to p90. */

import { at, axisMarks, colourOf, escapeMarkup, legend, svg } from "./svg.ts";

export interface Line {
  readonly label: string;
  readonly points: readonly Point[];
}

export interface Point {
  /** One of the places on the axis. */
  readonly place: number;
  readonly median: number;
  readonly p90: number;
}

/**
 * @param title what it is of
 * @param places on the horizontal axis, in order, at equal distances
 * @param placeName what the places are
 * @param unit of the values
 */
export function lineChart(
  title: string,
  places: readonly number[],
  placeName: string,
  unit: string,
  lines: readonly Line[],
): string {
  const [width, left, right, top, bottom] = [860, 56, 20, 24, 320];
  const highest = Math.max(1e-3, ...lines.flatMap(({ points }) => points.map(({ p90 }) => p90 * 1.05)));
  const step = (width - left - right) / places.length;
  const x = (place: number): number => left + (places.indexOf(place) + 0.5) * step;
  const y = (value: number): number => bottom - (value / highest) * (bottom - top);
  const grid = [
    ...axisMarks(highest, 8).map(
      (mark) =>
        `<line class="grid" x1="${left}" x2="${width - right}" y1="${at(y(mark))}" y2="${at(y(mark))}"/><text class="axis" x="${left - 8}" y="${at(y(mark) + 4)}" text-anchor="end">${mark}</text>`,
    ),
    ...places.map(
      (place) =>
        `<text class="axis" x="${at(x(place))}" y="${bottom + 18}" text-anchor="middle">${place}</text>`,
    ),
    `<text class="axis" x="${left - 44}" y="12">${escapeMarkup(unit)}</text>`,
    `<text class="axis" x="${width - right}" y="${bottom + 36}" text-anchor="end">${escapeMarkup(placeName)}</text>`,
  ];
  const drawn = lines.flatMap(({ label, points }, index) => {
    // Beside each other, so that whiskers are told apart.
    const shift = (index - (lines.length - 1) / 2) * 10;
    const colour = colourOf(index);
    const path = points.map(({ place, median }, point) => {
      return `${point === 0 ? "M" : "L"}${at(x(place) + shift)} ${at(y(median))}`;
    });
    return [
      `<path class="line ${colour}" d="${path.join("")}"/>`,
      ...points.map(({ place, median, p90 }) => {
        const middle = at(x(place) + shift);
        const about = `${label}, ${place} ${placeName}: median ${median.toFixed(2)} ${unit}, p90 ${p90.toFixed(2)} ${unit}`;
        return `<line class="line thin ${colour}" x1="${middle}" x2="${middle}" y1="${at(y(median))}" y2="${at(y(p90))}"/><circle class="${colour}" cx="${middle}" cy="${at(y(median))}" r="4"><title>${escapeMarkup(about)}</title></circle>`;
      }),
    ];
  });
  const names = legend(
    lines.map(({ label }, index) => ({ label, colour: colourOf(index) })),
    left,
    bottom + 48,
    width - left - right,
  );
  return svg(title, width, bottom + 52 + names.height, [...grid, ...drawn, ...names.parts]);
}
