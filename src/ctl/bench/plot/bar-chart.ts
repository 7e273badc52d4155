/** A bar chart as SVG text: groups of bars (medians) with a whisker up to p99. */

import { axisStep, escapeMarkup } from "./svg.ts";

export interface Bar {
  readonly label: string;
  readonly median: number;
  readonly p99: number;
}

export interface Group {
  readonly label: string;
  readonly bars: readonly Bar[];
}

const colours = ["#9aa5b1", "#2f7ed8", "#c45850", "#3cba9f", "#8e5ea2"];
/**
 * @param title above the chart
 * @param unit of all values, for the axis
 */
export function barChart(title: string, unit: string, groups: readonly Group[]): string {
  const width = 860;
  const height = 420;
  const left = 60;
  const bottom = height - 70;
  const top = 50;
  const highest = Math.max(1e-9, ...groups.flatMap((group) => group.bars.map((bar) => bar.p99)));
  const y = (value: number): number => bottom - (value / highest) * (bottom - top);
  const step = axisStep(highest, 8);
  const groupWidth = (width - left - 20) / groups.length;
  const parts: string[] = [];
  for (let value = 0; value <= highest; value += step) {
    parts.push(
      `<line x1="${left}" x2="${width - 20}" y1="${y(value)}" y2="${y(value)}" stroke="#e4e7eb"/>`,
      `<text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${Number(value.toPrecision(6))}</text>`,
    );
  }
  const labels = [...new Set(groups.flatMap((group) => group.bars.map((bar) => bar.label)))];
  const colourOf = (label: string): string => colours[labels.indexOf(label) % colours.length] ?? "#000";
  for (const [index, group] of groups.entries()) {
    const start = left + index * groupWidth;
    const barWidth = (groupWidth * 0.8) / group.bars.length;
    for (const [place, bar] of group.bars.entries()) {
      const x = start + groupWidth * 0.1 + place * barWidth;
      const middle = x + barWidth / 2;
      parts.push(
        `<rect x="${x}" y="${y(bar.median)}" width="${barWidth * 0.9}" height="${bottom - y(bar.median)}" fill="${colourOf(bar.label)}"/>`,
        `<line x1="${middle}" x2="${middle}" y1="${y(bar.median)}" y2="${y(bar.p99)}" stroke="#323f4b"/>`,
        `<text x="${middle}" y="${y(bar.p99) - 4}" text-anchor="middle">${bar.median.toFixed(1)}</text>`,
      );
    }
    parts.push(
      `<text x="${start + groupWidth / 2}" y="${bottom + 18}" text-anchor="middle">${escapeMarkup(group.label)}</text>`,
    );
  }
  const legend = labels.map((label, index) => {
    const x = left + index * 180;
    return `<rect x="${x}" y="${height - 30}" width="12" height="12" fill="${colourOf(label)}"/><text x="${x + 18}" y="${height - 20}">${escapeMarkup(label)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="26" font-size="16">${escapeMarkup(title)} (${escapeMarkup(unit)}, median; line: p99)</text>`,
    ...parts,
    ...legend,
    "</svg>\n",
  ].join("\n");
}
