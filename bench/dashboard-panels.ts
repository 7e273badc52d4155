/** Panels of the Grafana dashboard, drawn as one picture by the plots' own code: which there are, what each asks Prometheus, and how its answers look. */

import {
  at,
  axisMarks,
  colourOf,
  type Drawing,
  escapeMarkup,
  legend,
  palette,
} from "../src/ctl/bench/plot/svg.ts";

/** A panel of deploy/grafana/dashboard.json, as much of it as is drawn. */
export interface DashboardPanel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly custom?: { readonly stacking?: { readonly mode: string }; readonly fillOpacity?: number };
    };
  };
}

/** Titles of the panels that are drawn, in the picture's order. */
export const drawnTitles = [
  "Requests",
  "Errors",
  "Networks, by way",
  "Delegates that fail",
  "ADD",
  "DEL",
  "Phases of an ADD",
  "Delegates, mean",
] as const;

/**
 * The time series among the panels that have these titles, in the titles' order.
 * @throws {Error} that names a title with no panel, or with several
 */
export function panelsOf(
  panels: readonly DashboardPanel[],
  titles: readonly string[],
): readonly DashboardPanel[] {
  return titles.map((title) => {
    const [panel, ...others] = panels.filter((each) => each.type === "timeseries" && each.title === title);
    if (panel === undefined || others.length > 0) {
      throw new Error(`${panel === undefined ? "no" : "more than one"} time series is named ${title}`);
    }
    return panel;
  });
}

/**
 * An expression as Grafana sends it for all daemons.
 * @param rateInterval PromQL duration, in place of `$__rate_interval`
 * @throws {Error} where it has another variable
 */
export function expressionOf(expression: string, rateInterval: string): string {
  const text = expression.replaceAll("$__rate_interval", rateInterval).replaceAll("$instance", ".*");
  if (text.includes("$")) throw new Error(`a variable that is not known: ${text}`);
  return text;
}

/** A matrix of Prometheus' query_range: seconds since 1970, and the value as text ("NaN" where there is none). */
export interface Sampled {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

/** The text of a legend: `{{label}}` stands for the label's value. */
export function legendOf(format: string, metric: Readonly<Record<string, string>>): string {
  return format.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? "");
}

/** The content of one panel. */
export interface FilledPanel {
  readonly panel: DashboardPanel;
  /** For each of its targets, in order. */
  readonly answers: readonly (readonly Sampled[])[];
}

/** The time that all panels show: seconds since 1970, the times of all samples being so many steps after its start. */
export interface Shown {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** How the dashboard's units are written on an axis. @returns the factor of a value, and the unit behind its number */
function unitOf(unit: string, top: number): readonly [factor: number, text: string] {
  switch (unit) {
    case "s":
      return top < 1 ? [1000, " ms"] : [1, " s"];
    case "reqps":
      return [1, " req/s"];
    case "none":
      return [1, ""];
    default:
      throw new Error(`an axis in the unit ${unit} is not drawn`);
  }
}

interface Curve {
  readonly label: string;
  /** By step; undefined where there is no sample. */
  readonly values: readonly (number | undefined)[];
}

function curvesOf({ panel, answers }: FilledPanel, { start, end, step }: Shown): Curve[] {
  const steps = Math.round((end - start) / step) + 1;
  const curves = (panel.targets ?? []).flatMap(({ legendFormat }, target) =>
    (answers[target] ?? []).map(({ metric, values }): Curve => {
      const byStep = new Map(
        values.map(([seconds, value]) => [Math.round((seconds - start) / step), Number(value)]),
      );
      return {
        label: legendOf(legendFormat, metric),
        values: Array.from({ length: steps }, (_, index) => {
          const value = byStep.get(index);
          return value !== undefined && Number.isFinite(value) ? value : undefined;
        }),
      };
    }),
  );
  // A series that is zero throughout would be a name without a line.
  return curves.filter(({ values }) => values.some((value) => value !== undefined && value > 0));
}

/** Places of the picture, in its units. */
const size = { width: 480, left: 66, right: 28, titleHeight: 26, plotHeight: 130, below: 24 } as const;

/** A plot that has its place in the grid. */
interface Cell {
  readonly height: number;
  readonly parts: readonly string[];
}

function cellOf(filled: FilledPanel, shown: Shown, x0: number, y0: number): Cell {
  const { title, fieldConfig } = filled.panel;
  const isStacked = fieldConfig?.defaults.custom?.stacking?.mode === "normal";
  const curves = curvesOf(filled, shown);
  const steps = Math.round((shown.end - shown.start) / shown.step);
  const floors = Array.from({ length: steps + 1 }, () => 0);
  // A stacked curve begins where the one below it ends; without a sample it adds nothing.
  const drawn = curves.map(({ label, values }) => {
    const bottoms = [...floors];
    if (!isStacked) return { label, bottoms, tops: values };
    for (const [index, value] of values.entries()) floors[index] = (floors[index] ?? 0) + (value ?? 0);
    return { label, bottoms, tops: [...floors] };
  });
  const highest = Math.max(1e-6, ...drawn.flatMap(({ tops }) => tops.map((value) => (value ?? 0) * 1.05)));
  const [factor, unit] = unitOf(fieldConfig?.defaults.unit ?? "none", highest);
  const [left, right] = [x0 + size.left, x0 + size.width - size.right];
  const [top, bottom] = [y0 + size.titleHeight, y0 + size.titleHeight + size.plotHeight];
  const x = (step: number): number => left + (step / Math.max(1, steps)) * (right - left);
  const y = (value: number): number => bottom - (value / highest) * (bottom - top);
  const grid = [
    ...axisMarks(highest * factor, 4).map((mark) => {
      const height = at(y(mark / factor));
      return `<line class="grid" x1="${left}" x2="${right}" y1="${height}" y2="${height}"/><text class="axis" x="${left - 6}" y="${at(y(mark / factor) + 4)}" text-anchor="end">${mark}${unit}</text>`;
    }),
    ...axisMarks(steps * shown.step, 6).map(
      (seconds) =>
        `<text class="axis" x="${at(x(seconds / shown.step))}" y="${bottom + 16}" text-anchor="middle">${seconds} s</text>`,
    ),
  ];
  const opacity = (fieldConfig?.defaults.custom?.fillOpacity ?? 0) / 100;
  const lines = drawn.flatMap(({ label, bottoms, tops }, index) => {
    const colour = colourOf(index);
    return stretchesOf(tops).flatMap(([first, values]) => {
      const points = values.map((value, place) => `${at(x(first + place))} ${at(y(value))}`);
      const back = values
        .map((_, place) => `${at(x(first + place))} ${at(y(bottoms[first + place] ?? 0))}`)
        .reverse();
      return [
        `<path class="${colour}" fill-opacity="${opacity}" d="M${[...points, ...back].join("L")}Z"/>`,
        `<path class="line ${colour}" d="M${points.join("L")}"><title>${escapeMarkup(label)}</title></path>`,
      ];
    });
  });
  const names = legend(
    drawn.map(({ label }, index) => ({ label, colour: colourOf(index) })),
    left,
    bottom + size.below,
    right - left,
  );
  return {
    height: size.titleHeight + size.plotHeight + size.below + names.height,
    parts: [
      `<text class="panel" x="${x0 + 12}" y="${y0 + 16}">${escapeMarkup(title)}</text>`,
      ...grid,
      ...lines,
      ...names.parts,
    ],
  };
}

/** The values without gaps: where each stretch begins, and what is in it. */
function stretchesOf(values: readonly (number | undefined)[]): [first: number, values: number[]][] {
  const stretches: [number, number[]][] = [];
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    const last = stretches.at(-1);
    if (last !== undefined && last[0] + last[1].length === index) last[1].push(value);
    else stretches.push([index, [value]]);
  }
  return stretches;
}

const strokes = (theme: readonly string[]): string =>
  theme.map((colour, index) => `.line.c${index}{stroke:${colour}}`).join("");

/** Beside the rules that every picture has: what is a line, and is not filled. */
const style = `<style>.panel{font-size:13px;font-weight:600}path.line{fill:none;stroke-width:1.4;stroke-linejoin:round}${strokes(palette.light)}@media(prefers-color-scheme:dark){${strokes(palette.dark)}}</style>`;

/**
 * Draws panels side by side, two in a row, stacked and filled as the dashboard has them.
 * @throws {Error} that names a unit that is not drawn
 */
export function drawPanels(panels: readonly FilledPanel[], shown: Shown): Drawing {
  const parts: string[] = [style];
  let top = 0;
  for (let index = 0; index < panels.length; index += 2) {
    const cells = panels
      .slice(index, index + 2)
      .map((panel, column) => cellOf(panel, shown, column * size.width, top));
    parts.push(...cells.flatMap((cell) => cell.parts));
    top += Math.max(...cells.map(({ height }) => height)) + 14;
  }
  const titles = panels.map(({ panel }) => panel.title).join("; ");
  return { title: `Panels of the dashboard: ${titles}`, width: 2 * size.width, height: top, parts };
}
