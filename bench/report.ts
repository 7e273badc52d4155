/** The page that `npm run bench` writes: what was measured on what machine, distributions, phases, scaling, and every bound. */

import { type Machine, machineRows } from "../src/ctl/bench/machine.ts";
import { loadWarning, type MachineLoad } from "../src/ctl/bench/machine-load.ts";
import { barChart } from "../src/ctl/bench/plot/bar-chart.ts";
import { lineChart } from "../src/ctl/bench/plot/line-chart.ts";
import { page, table, warningText } from "../src/ctl/bench/plot/page.ts";
import { type Segment, stackedBars } from "../src/ctl/bench/plot/stacked-bars.ts";
import { stepChart } from "../src/ctl/bench/plot/step-chart.ts";
import { colourOf, type Drawing, escapeMarkup, svg } from "../src/ctl/bench/plot/svg.ts";
import type { BenchReport } from "../src/ctl/bench/report.ts";
import type { Wait } from "../src/ctl/bench/waits.ts";
import { partName } from "../src/ctl/bench/words.ts";
import { formatMilliseconds } from "../src/ctl/text/quantities.ts";
import { spreadMeaning } from "../src/ctl/text/statistics.ts";
import { pluginRelease } from "../test/support/reference-plugins.ts";
import type { ApiReport } from "./api.ts";
import type { AttachReport } from "./attach.ts";
import { boundOf } from "./bounds.ts";
import type { CountsReport } from "./counts.ts";
import type { DensityReport } from "./density.ts";
import { inItsUnit, type Judged, verdictOf } from "./gate.ts";
import type { HerdReport } from "./herd.ts";
import type { KernelRow } from "./kernels.ts";
import { type NativeReport, nativeName } from "./native.ts";
import type { ObjectsReport } from "./objects.ts";
import type { Ratio } from "./ratio.ts";
import { type AttachRow, type Command, commands } from "./rounds.ts";
import { unitName } from "./subjects.ts";

/** The report of each part; a part that was not measured has none. */
export interface BenchResults {
  readonly kernels?: readonly KernelRow[];
  readonly attach?: AttachReport;
  readonly counts?: CountsReport;
  readonly devices?: AttachReport;
  readonly herd?: HerdReport;
  readonly api?: ApiReport;
  readonly native?: NativeReport;
  readonly pod?: AttachReport;
  readonly crowd?: AttachReport;
  readonly objects?: ObjectsReport;
  readonly "density-api"?: DensityReport;
  readonly node?: BenchReport;
}

export interface BenchSetting {
  readonly machine: Machine;
  /** When it began, in UTC (ISO 8601). */
  readonly at: string;
  /** As asked for: of the parts that take longer there are fewer. */
  readonly rounds: number;
  /** Names of the peers. */
  readonly peers: readonly string[];
  /** The share of the machine that other programs took meanwhile, by part. */
  readonly loads: Readonly<Record<string, MachineLoad>>;
}

/** @returns the page, HTML */
export function reportPage(
  { machine, at, rounds, peers, loads }: BenchSetting,
  { attach, api, native, pod, herd, kernels }: BenchResults,
  judged: readonly Judged[],
): string {
  return page("npm run bench", [
    "<h1>What Multus costs a pod</h1>",
    `<p class="soft">${escapeMarkup(at)}; ${rounds} rounds asked for${peers.length === 0 ? "" : `; beside ours: ${escapeMarkup(peers.join(", "))}`}.</p>`,
    ...warningText(loadText(loads)),
    tiles(attach, native, pod),
    ...(native === undefined ? [] : nativeSection(native)),
    ...(pod === undefined ? [] : podSection(pod)),
    ...(herd === undefined ? [] : herdSection(herd)),
    ...(attach === undefined ? [] : freeSection("Networks that cost nothing", attach)),
    ...(api === undefined ? [] : freeSection("The same in a cluster, with its API", api)),
    ...(kernels === undefined ? [] : kernelSection(kernels)),
    boundsSection(judged),
    machineSection(machine),
    reading,
  ]);
}

/** By part. */
export function loadText(loads: BenchSetting["loads"]): string {
  return loadWarning(...Object.entries(loads).map(([part, load]) => ({ ...load, during: `part ${part}` })));
}

const drawn = ({ title, width, height, parts }: Drawing): string => svg(title, width, height, parts);

function tiles(
  attach: AttachReport | undefined,
  native: AttachReport | undefined,
  pod: AttachReport | undefined,
): string {
  const shareOf = (report: AttachReport | undefined, networks: number) =>
    report?.rows.find(
      (row) => row.networks === networks && row.command === "ADD" && row.subject === nativeName,
    )?.share?.value;
  const unit = attach?.units["1"];
  const ofPlugins = shareOf(native, 4);
  const ofBridge = shareOf(pod, 4);
  const all: (readonly [string, string])[] = [
    ...(unit === undefined
      ? []
      : [[`${formatMilliseconds(unit)} ms`, "one unit: the start of a free delegate"] as const]),
    ...(ofPlugins === undefined
      ? []
      : [[ofPlugins.toFixed(3), "ADD of four networks, of the plugins executed alone"] as const]),
    ...(ofBridge === undefined
      ? []
      : [
          [
            ofBridge.toFixed(3),
            "a pod's start with four networks, of one with the bridge and no multus",
          ] as const,
        ]),
  ];
  return `<ul class="tiles">${all.map(([value, about]) => `<li><b>${escapeMarkup(value)}</b>${escapeMarkup(about)}</li>`).join("")}</ul>`;
}

const networksText = (count: number): string => `${count} network${count === 1 ? "" : "s"}`;

/** Medians of a command by number of networks, one bar each way. @param rows of real networks */
export function attachBars(rows: readonly AttachRow[], command: Command): Drawing {
  const own = rows.filter((row) => row.command === command && row.subject !== unitName);
  const groups = [...new Set(own.map(({ networks }) => networks))].map((networks) => ({
    label: networksText(networks),
    bars: own
      .filter((row) => row.networks === networks)
      .map(({ subject, wall }) => ({ label: subject, median: wall.median, p99: wall.p99 })),
  }));
  return barChart(`${command} by number of networks`, "ms", groups);
}

function scaling(rows: readonly AttachRow[], command: Command): string {
  const own = rows.filter((row) => row.command === command && row.subject !== unitName);
  const counts = [...new Set(own.map(({ networks }) => networks))];
  const subjects = [...new Set(own.map(({ subject }) => subject))];
  return lineChart(
    `${command} by number of networks`,
    counts,
    "networks",
    "ms",
    subjects.map((label) => ({
      label,
      points: own
        .filter(({ subject }) => subject === label)
        .map(({ networks, wall }) => ({ place: networks, median: wall.median, p90: wall.p90 })),
    })),
  );
}

function distribution(rows: readonly AttachRow[], command: Command, networks: number): string {
  return stepChart(
    `share of ${command}s that have ended within a time, ${networksText(networks)}`,
    "ms",
    rows
      .filter((row) => row.command === command && row.networks === networks && row.subject !== unitName)
      .map(({ subject, rounds }) => ({ label: subject, values: rounds })),
  );
}

const ratioCell = (ratio: Ratio | undefined, digits: number): string =>
  ratio === undefined
    ? ""
    : `${ratio.value.toFixed(digits)} (${ratio.interval.every(Number.isFinite) ? ratio.interval.map((end) => end.toFixed(digits)).join(" … ") : "too few rounds"})`;

function attachmentTable(rows: readonly AttachRow[], base: string): string {
  return table(
    `Milliseconds; ratios with their 95 % intervals, against: ${base}`,
    ["through", "command", "networks", "median", "spread", "p99", "CPU", "processes", "units over", "share"],
    2,
    rows.map(({ subject, command, networks, wall, cpu, processes, units, share }) => [
      subject,
      command,
      String(networks),
      ...[wall.median, wall.spread, wall.p99].map(formatMilliseconds),
      cpu === 0 ? "" : formatMilliseconds(cpu),
      processes === undefined ? "" : String(processes),
      ratioCell(units, 2),
      ratioCell(share, 3),
    ]),
  );
}

function nativeSection({ rows, phases }: NativeReport): string[] {
  const parts = [...new Set(phases.flatMap(({ waits }) => waits.map(({ part }) => part)))];
  return [
    "<h2>Real networks</h2>",
    `<p>A bridge, and macvlan for the others, each with host-local; plugins ${escapeMarkup(pluginRelease)}. A real API server has the networks, gets network-status and events.</p>`,
    ...commands.flatMap((command) => [
      `<h3>${command}: medians, and a whisker up to p99</h3>`,
      drawn(attachBars(rows, command)),
    ]),
    ...commands.flatMap((command) => [
      `<h3>Scaling: ${command} by the number of networks</h3>`,
      '<p class="soft">Median, and a whisker up to p90.</p>',
      scaling(rows, command),
    ]),
    ...commands.flatMap((command) => [
      `<h3>Distribution: share of ${command}s that have ended within a time, four networks</h3>`,
      distribution(rows, command, 4),
    ]),
    "<h3>Phases: where the time of an ADD goes</h3>",
    '<p class="soft">Means, as means add up.</p>',
    stackedBars(
      "where the time of an ADD goes",
      "ms",
      phases
        .filter(({ waits }) => waits.length > 0)
        .map(({ networks, subject, waits }) => ({
          label: `${subject}, ${networksText(networks)}`,
          segments: waits.map((wait) => segment(wait, parts)),
        })),
    ),
    attachmentTable(rows, "the plugins alone, in order"),
  ];
}

/** The colour of plugins, c1, and that of what is outside are taken. */
function segment({ part, kind, milliseconds }: Wait, parts: readonly string[]): Segment {
  return {
    label: partName(part, "plugin"),
    value: milliseconds,
    colour: kind === "ours" ? colourOf(2 + (parts.indexOf(part) % 8)) : kind,
  };
}

function podSection({ rows }: AttachReport): string[] {
  return [
    "<h2>Pods of a container runtime</h2>",
    "<p>RunPodSandbox (ADD) and StopPodSandbox (DEL) of a real containerd, with runc: the whole start of a pod's sandbox. Without multus a pod has one network, a bridge; with it four.</p>",
    ...commands.flatMap((command) => [
      `<h3>Distribution: share of sandboxes that have ${command === "ADD" ? "started" : "stopped"} within a time</h3>`,
      distribution(rows, command, 4),
    ]),
    attachmentTable(rows, "a pod with the bridge alone, and no multus"),
  ];
}

function herdSection({ pods, networks, rows }: HerdReport): string[] {
  const seconds = (times: readonly number[]) => times.map((time) => time.toFixed(2)).join(", ");
  return [
    "<h2>All at once</h2>",
    table(
      `${pods} pods with ${networks} networks each: from the first call to the last answer, seconds of each round; the daemon's memory, MB`,
      ["through", "ADD", "DEL", "before", "at the most", "after"],
      1,
      rows.map(({ subject, addSeconds, delSeconds, ...memory }) => [
        subject,
        seconds(addSeconds),
        seconds(delSeconds),
        ...[memory.idleMegabytes, memory.peakMegabytes, memory.afterMegabytes].map((size) => size.toFixed(0)),
      ]),
    ),
  ];
}

function freeSection(heading: string, { rows, units }: AttachReport): string[] {
  const unit = Object.values(units).map((time) => `${formatMilliseconds(time)} ms`);
  return [
    `<h2>${escapeMarkup(heading)}</h2>`,
    `<p>The delegates do nothing: what is left is Multus. One unit, the start of one of them: ${unit.join(", ")}.</p>`,
    "<h3>Distribution: share of ADDs that have ended within a time, four networks</h3>",
    distribution(rows, "ADD", 4),
    attachmentTable(rows, "the delegates alone, in order"),
  ];
}

function kernelSection(rows: readonly KernelRow[]): string[] {
  return [
    "<h2>Kernels</h2>",
    table(
      "WebAssembly against TypeScript that does the same; microseconds of a call, medians",
      ["kernel", "size", "kernel", "TypeScript", "times faster", "spread of it"],
      2,
      rows.map(({ kernel, size, kernelNanoseconds, twinNanoseconds, ratio, spread }) => [
        kernel,
        size,
        (kernelNanoseconds / 1000).toFixed(2),
        (twinNanoseconds / 1000).toFixed(2),
        ratio.toFixed(1),
        spread.toFixed(2),
      ]),
    ),
  ];
}

function boundsSection(judged: readonly Judged[]): string {
  const verdicts = judged.map(verdictOf);
  const names = [...new Set(judged.map(({ bound }) => bound))];
  return [
    "<h2>Bounds</h2>",
    table(
      "Of one measurement: the gate measures once more what is not kept",
      ["bound", "of", "measured", "95 %", "at most", "aim", "in", "state"],
      2,
      verdicts.map(({ bound, what, measured, value, interval, state }) => {
        const { most, aim, in: unit } = boundOf(bound);
        return [
          bound,
          what,
          inItsUnit(bound, value),
          typeof measured === "number" ? "exact" : interval.map((end) => inItsUnit(bound, end)).join(" … "),
          String(most),
          aim === undefined ? "" : String(aim),
          unit,
          state,
        ];
      }),
    ),
    "<h3>Why</h3>",
    ...names.map((name) => `<p><b>${escapeMarkup(name)}</b>: ${escapeMarkup(boundOf(name).why)}</p>`),
  ].join("\n");
}

function machineSection(machine: Machine): string {
  return [
    "<h2>Machine and versions</h2>",
    table("", ["what", "value"], 2, [...machineRows(machine), ["plugins", pluginRelease]]),
  ].join("\n");
}

const reading = [
  "<h2>How to read this</h2>",
  "<p>All that is compared ran in turns, in changing order, in the same rounds, started by the same small native process. A ratio is one of medians; its interval is from the rounds, drawn again and again as a whole (bootstrap, 95 %).</p>",
  `<p>${escapeMarkup(spreadMeaning)} The p99 is the time that one run of a hundred exceeds.</p>`,
  "<p>A unit is the start of a program that does nothing. Times in units and shares compare between machines; milliseconds do not, nor do those of two days of one machine.</p>",
].join("\n");
