/** The page that `npm run bench` writes. */

import { describe, expect, test } from "vitest";
import { bounds } from "../../../bench/bounds.ts";
import type { Judged } from "../../../bench/gate.ts";
import { nativeName } from "../../../bench/native.ts";
import { bridgeAloneName } from "../../../bench/pod.ts";
import { attachBars, type BenchResults, type BenchSetting, reportPage } from "../../../bench/report.ts";
import { rows, type Series } from "../../../bench/rounds.ts";
import { aloneName, unitName } from "../../../bench/subjects.ts";
import { attachTable, kernelTable } from "../../../bench/tables.ts";
import { thisMachine } from "../../../src/ctl/bench/machine.ts";
import { spreadMeaning } from "../../../src/ctl/text/statistics.ts";

const attack = '"><script src=https://example.com/x></script>';
const setting: BenchSetting = {
  machine: thisMachine(),
  at: "2026-01-01T00:00:00Z",
  rounds: 6,
  peers: [attack],
  loads: { native: { others: 0.6, looks: 4 }, attach: { others: 0.1, looks: 4 } },
};

function series(name: string, wall: number): Series {
  const costs = Array.from({ length: 6 }, () => ({ wall, cpu: wall, processes: 2 }));
  return { subject: { name }, add: costs, del: costs };
}

function report(networks: readonly number[], base: string, baseTime: number) {
  return {
    rows: networks.flatMap((count) =>
      rows(
        "bridge and macvlan",
        count,
        [
          series(unitName, 0.5),
          series(base, baseTime * count),
          series(nativeName, 2),
          series(attack, 50 * count),
        ],
        base,
      ),
    ),
    units: { "1": 0.5 },
    judged: [],
  };
}

const results: BenchResults = {
  attach: report([1, 4], aloneName, 1),
  native: {
    ...report([1, 4, 8], aloneName, 10),
    phases: [
      {
        networks: 4,
        subject: attack,
        waits: [
          { part: "plugins", kind: "plugins", milliseconds: 30 },
          { part: "plan", kind: "ours", milliseconds: 1 },
        ],
      },
    ],
  },
  pod: report([4], bridgeAloneName, 50),
};
const judged: readonly Judged[] = [
  {
    bound: "nativeFour",
    what: `ADD of ${attack}`,
    measured: { of: Array(6).fill(2), base: Array(6).fill(40) },
  },
  { bound: "requests", what: "ADD and DEL", measured: 6 },
];

describe("the page", () => {
  const page = reportPage(setting, results, judged);

  test("loads and runs nothing, and names stay text", () => {
    expect(page).toContain("default-src &#39;none&#39;");
    expect(page).not.toMatch(/<script|<link|<img|src="/);
    expect(page).toContain("&#60;script");
  });

  test("says every bound with its measurement, its reason and its state", () => {
    for (const text of [
      "0.050",
      bounds.nativeFour.why.slice(0, 30),
      bounds.requests.why.slice(0, 30),
      "missed",
    ]) {
      expect(page).toContain(text);
    }
  });

  test("begins with the ratios that are looked for first", () => {
    expect(page).toMatch(/<b>0\.50 ms<\/b>.*<b>0\.050<\/b>.*<b>0\.010<\/b>/);
  });

  test("has a distribution, phases and a scaling curve, in both themes", () => {
    for (const text of [
      "Distribution",
      "Phases",
      "Scaling",
      "prefers-color-scheme: dark",
      "plan the networks",
    ]) {
      expect(page).toContain(text);
    }
    expect(page).not.toContain("NaN");
  });

  test("says in which parts the machine was too loaded, and what spread means", () => {
    expect(page).toContain("too loaded to believe these numbers");
    expect(page).toContain("other programs took 60 % during part native.");
    expect(page).toContain(spreadMeaning);
    expect(reportPage({ ...setting, loads: {} }, results, judged)).not.toContain("too loaded");
  });

  test("of parts that were not measured says nothing", () => {
    const none = reportPage(setting, {}, []);
    expect(none).not.toMatch(/Real networks|NaN|undefined/);
    expect(none).toContain("Machine and versions");
  });
});

test("tables say what the spread in them is", () => {
  for (const table of [attachTable(report([1, 4], aloneName, 10), "ADD"), kernelTable([])]) {
    expect(table).toContain("  spread");
    expect(table).toContain(spreadMeaning);
  }
});

test("the bars are of one command, without the unit", () => {
  const { parts } = attachBars(report([1, 4], aloneName, 10).rows, "DEL");
  expect(parts.filter((part) => part.includes('class="median"'))).toHaveLength(6);
});
