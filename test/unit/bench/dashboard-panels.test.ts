/** The picture of the dashboard: its panels, what they ask Prometheus, and how they are drawn. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type DashboardPanel,
  drawnTitles,
  drawPanels,
  expressionOf,
  legendOf,
  panelsOf,
  type Sampled,
} from "../../../bench/dashboard-panels.ts";
import { pictureFile } from "../../../src/ctl/bench/plot/svg.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const dashboard: { readonly panels: readonly DashboardPanel[] } = JSON.parse(
  readFileSync(join(root, "deploy", "grafana", "dashboard.json"), "utf8"),
);

function panel(title: string, unit: string, mode: "none" | "normal"): DashboardPanel {
  const custom = { stacking: { mode }, fillOpacity: 20 };
  const targets = [{ expr: "up", legendFormat: "{{command}} {{code}}" }];
  return { title, type: "timeseries", targets, fieldConfig: { defaults: { unit, custom } } };
}

const sampled = (metric: Readonly<Record<string, string>>, values: readonly string[]): Sampled => ({
  metric,
  values: values.map((value, index) => [1000 + index, value]),
});

const shown = { start: 1000, end: 1004, step: 1 };
const add = sampled({ command: "ADD", code: "7" }, ["1", "1", "1", "1", "1"]);
const del = sampled({ command: "DEL", code: "11" }, ["1", "1", "3", "1", "1"]);

/** Coordinates of the lines, each as `[x, y]`. */
const linesIn = (parts: readonly string[]): number[][][] =>
  Array.from(parts.join("\n").matchAll(/<path class="line c\d" d="M([^"]+)"/g), ([, points = ""]) =>
    points.split("L").map((point) => point.split(" ").map(Number)),
  );

describe("panels of the dashboard", () => {
  test("are those that are drawn, and nothing in them is left unasked", () => {
    const panels = panelsOf(dashboard.panels, drawnTitles);
    expect(panels.map(({ title }) => title)).toEqual(drawnTitles);
    for (const { targets = [] } of panels) {
      expect(targets).not.toEqual([]);
      for (const { expr } of targets) expect(expressionOf(expr, "6s")).toContain("[6s]");
    }
  });

  test("are named by the picture that the documentation shows", () => {
    const picture = readFileSync(join(root, "docs", "images", "dashboard.svg"), "utf8");
    const titles = Array.from(picture.matchAll(/<text class="panel"[^>]*>([^<]*)</g), ([, title]) => title);
    expect(titles).toEqual(drawnTitles);
  });

  test("that are not there, or there twice, are an error", () => {
    const twice = [panel("Requests", "reqps", "none"), panel("Requests", "reqps", "none")];
    expect(() => panelsOf(twice, ["Requests"])).toThrow("more than one time series is named Requests");
    expect(() => panelsOf(twice, ["Errors"])).toThrow("no time series is named Errors");
  });
});

test("an expression asks for every daemon, and has no variable that is not known", () => {
  expect(expressionOf('rate(a{instance=~"$instance"}[$__rate_interval])', "6s")).toBe(
    'rate(a{instance=~".*"}[6s])',
  );
  expect(() => expressionOf('a{node="$node"}', "6s")).toThrow("$node");
});

test("a legend has the values of labels", () => {
  expect(legendOf("{{command}} {{code}}: {{no}}", { command: "ADD", code: "7" })).toBe("ADD 7: ");
});

describe("a drawn panel", () => {
  test("has its title, its unit and the names of its lines, with what is markup escaped", () => {
    const odd = sampled({ command: "<DEL>", code: "7" }, ["2"]);
    const text = pictureFile(
      drawPanels(
        [
          { panel: panel("Errors & more", "reqps", "normal"), answers: [[add, odd]] },
          { panel: panel("ADD", "s", "none"), answers: [[sampled({ command: "half" }, ["0.02"])]] },
        ],
        shown,
      ),
      "heading",
    );
    for (const each of ["Errors &#38; more", "&#60;DEL&#62; 7", ">ADD 7<", "1 req/s<", "20 ms<", ">4 s<"]) {
      expect(text).toContain(each);
    }
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("is the same for the same series", () => {
    const draw = () =>
      drawPanels([{ panel: panel("Errors", "reqps", "normal"), answers: [[add, del]] }], shown);
    expect(draw()).toEqual(draw());
  });

  test.each([
    ["normal", "upon each other", 4, [2, 2, 4, 2, 2]],
    ["none", "from zero", 3, [1, 1, 3, 1, 1]],
  ] as const)("whose stacking is %s has lines %s", (mode, _, highest, second) => {
    const panels = [{ panel: panel("Errors", "reqps", mode), answers: [[add, del]] }];
    const lines = linesIn(drawPanels(panels, shown).parts);
    const [height, zero] = [130, 26 + 130];
    // There is a twentieth above the highest.
    const heightOf = (value: number) => expect.closeTo(zero - (value / (highest * 1.05)) * height, 1);
    expect(lines.map((line) => line.map(([, y]) => y))).toEqual([
      [1, 1, 1, 1, 1].map(heightOf),
      second.map(heightOf),
    ]);
  });

  test("has a gap where Prometheus has no value, and no name for what never is", () => {
    const gap = sampled({ command: "ADD", code: "" }, ["1", "1", "NaN", "2", "2"]);
    const never = sampled({ command: "CHECK", code: "" }, ["0", "0", "0", "0", "0"]);
    const { parts } = drawPanels(
      [{ panel: panel("Errors", "reqps", "none"), answers: [[gap, never]] }],
      shown,
    );
    expect(linesIn(parts).map((line) => line.length)).toEqual([2, 2]);
    expect(parts.join("")).not.toContain("CHECK");
  });

  test("in a unit that is not known is an error", () => {
    const answers = [[add]];
    expect(() => drawPanels([{ panel: panel("Memory", "bytes", "none"), answers }], shown)).toThrow("bytes");
  });
});
