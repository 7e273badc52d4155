/** A bar chart: groups of bars (medians), each with a whisker up to p99. */

import { at, axisMarks, colourOf, type Drawing, escapeMarkup, legend } from "./svg.ts";

export interface Bar {
  readonly label: string;
  readonly median: number;
  readonly p99: number;
}

export interface Group {
  readonly label: string;
  readonly bars: readonly Bar[];
}

/** The size of the page's text, and the width of a digit in it, as share of the size. */
const textSize = 12;
const digitWidth = 0.6;

/** Three digits, and no more than one behind the point: it has to fit on a bar. */
const numberText = (value: number): string => value.toFixed(value < 100 ? 1 : 0);

/** The size in which a number ends left of its bar's whisker. */
function numberSize(number: string, barWidth: number): number {
  return Math.min(textSize, (barWidth * 0.9 - 4) / (number.length * digitWidth));
}

/** @param title what it is of @param unit of all values */
export function barChart(title: string, unit: string, groups: readonly Group[]): Drawing {
  const [width, left, right, top, bottom] = [860, 56, 20, 30, 330];
  const highest = Math.max(1e-3, ...groups.flatMap(({ bars }) => bars.map(({ p99 }) => p99 * 1.05)));
  const y = (value: number): number => bottom - (value / highest) * (bottom - top);
  const labels = [...new Set(groups.flatMap(({ bars }) => bars.map(({ label }) => label)))];
  const colour = (label: string) => colourOf(labels.indexOf(label));
  const groupWidth = (width - left - right) / Math.max(1, groups.length);
  const grid = [
    ...axisMarks(highest, 8).map(
      (mark) =>
        `<line class="grid" x1="${left}" x2="${width - right}" y1="${at(y(mark))}" y2="${at(y(mark))}"/><text class="axis" x="${left - 8}" y="${at(y(mark) + 4)}" text-anchor="end">${mark}</text>`,
    ),
    `<text class="axis" x="${left - 44}" y="14">${escapeMarkup(unit)}</text>`,
  ];
  const drawn = groups.flatMap((group, index) => {
    const start = left + index * groupWidth;
    const barWidth = Math.min(70, (groupWidth * 0.86) / Math.max(1, group.bars.length));
    const first = start + (groupWidth - barWidth * group.bars.length) / 2;
    return [
      ...group.bars.map(({ label, median, p99 }, place) => {
        const x = first + place * barWidth;
        const number = numberText(median);
        // At the bar's right edge, so that the median's number has its place on top of the bar.
        const whisker = at(x + barWidth * 0.9 - 1);
        const about = `${label}, ${group.label}: median ${median.toFixed(2)} ${unit}, p99 ${p99.toFixed(2)} ${unit}`;
        return [
          `<rect class="${colour(label)}" x="${at(x)}" y="${at(y(median))}" width="${at(barWidth * 0.9)}" height="${at(bottom - y(median))}"><title>${escapeMarkup(about)}</title></rect>`,
          `<line class="whisker" x1="${whisker}" x2="${whisker}" y1="${at(y(median))}" y2="${at(y(p99))}"/>`,
          `<text class="median" x="${at(x + 1)}" y="${at(y(median) - 4)}" font-size="${at(numberSize(number, barWidth))}">${number}</text>`,
        ].join("");
      }),
      `<text class="axis" x="${at(start + groupWidth / 2)}" y="${bottom + 18}" text-anchor="middle">${escapeMarkup(group.label)}</text>`,
    ];
  });
  const names = legend(
    labels.map((label) => ({ label, colour: colour(label) })),
    left,
    bottom + 36,
    width - left - right,
  );
  return { title, width, height: bottom + 40 + names.height, parts: [...grid, ...drawn, ...names.parts] };
}
