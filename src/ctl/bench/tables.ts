/** The report of a benchmark as tables for a terminal. */

import { formatMilliseconds } from "../text/quantities.ts";
import type { PairedDifference, Summary } from "../text/statistics.ts";
import { type Column, formatTable } from "../text/table.ts";
import { loadWarning } from "./machine-load.ts";
import type { BenchReport, LevelReport, SubjectReport } from "./report.ts";
import type { Wait } from "./waits.ts";
import { endText, partName, settingText } from "./words.ts";

const numbers = (...headings: string[]): Column[] => headings.map((heading) => ({ heading, align: "right" }));

/** Control characters of names from outside would act on the terminal. */
function shown(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}

/** `+1.23 (0.98 … 1.40)` */
export function formatDifference({ median, interval }: PairedDifference): string {
  const signed = (value: number) => `${value < 0 ? "-" : "+"}${formatMilliseconds(Math.abs(value))}`;
  const ends = interval === undefined ? "too few rounds" : interval.map(signed).join(" … ");
  return `${signed(median)} (${ends})`;
}

const three = ({ median, p90, p99 }: Summary): string[] => [median, p90, p99].map(formatMilliseconds);

function titled(title: string, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : `${title}\n\n${formatTable(columns, rows)}\n`;
}

/** All of it. */
export function formatReport(report: BenchReport): string {
  const warnings = [endText(report), loadWarning(report.load)].filter((text) => text !== "");
  return [
    `${settingText(report)}.\n`,
    ...warnings.map((text) => `! ${shown(text)}\n`),
    "\n",
    timesTable(report.levels),
    sharesTable(report.levels),
    networksTable(report.levels),
    waitsTable(report, "What a pod waits for, mean milliseconds", ({ waits }) => waits),
    waitsTable(report, "What a pod's stop waits for, mean milliseconds", ({ stopWaits }) => stopWaits),
  ].join("");
}

function timesTable(levels: readonly LevelReport[]): string {
  const rows = levels.flatMap(({ pods, subjects }) =>
    subjects.map(({ subject, add, del, oursLessThis }) => [
      String(pods),
      shown(subject),
      ...three(add.pod),
      formatMilliseconds(add.all.median),
      del === undefined ? "-" : formatMilliseconds(del.pod.median),
      oursLessThis === undefined ? "" : formatDifference(oursLessThis),
    ]),
  );
  return titled(
    "A pod's start, milliseconds",
    [
      ...numbers("PODS AT ONCE"),
      "THROUGH",
      ...numbers("MEDIAN", "P90", "P99", "ALL PODS", "STOP", "OURS LESS THIS (95 %)"),
    ],
    rows,
  );
}

/** Those whose daemon says where the time goes, with their number of pods. */
function known(levels: readonly LevelReport[]) {
  return levels.flatMap(({ pods, subjects }) =>
    subjects.flatMap(({ shares }: SubjectReport) => (shares === undefined ? [] : [{ pods, shares }])),
  );
}

function sharesTable(levels: readonly LevelReport[]): string {
  return titled(
    "Our share of a pod's start, and the plugins', milliseconds",
    numbers("PODS AT ONCE", "SAMPLES", "OURS", "P90", "P99", "PLUGINS", "P90", "P99"),
    known(levels).map(({ pods, shares }) => [
      String(pods),
      String(shares.pods),
      ...three(shares.ours),
      ...three(shares.plugins),
    ]),
  );
}

function networksTable(levels: readonly LevelReport[]): string {
  return titled(
    "Networks, milliseconds",
    [
      ...numbers("PODS AT ONCE"),
      "NETWORK",
      "INTERFACE",
      "PLUGINS",
      ...numbers("IN PLUGINS", "P99", "AROUND THEM", "P99"),
    ],
    known(levels).flatMap(({ pods, shares }) =>
      shares.networks.map(({ network, ifName, plugins, pluginTime, ownTime }) => [
        String(pods),
        ...[network, ifName, plugins.join(", ")].map(shown),
        ...[pluginTime.median, pluginTime.p99, ownTime.median, ownTime.p99].map(formatMilliseconds),
      ]),
    ),
  );
}

function waitsTable(
  { levels, setting }: BenchReport,
  title: string,
  waitsIn: (shares: NonNullable<SubjectReport["shares"]>) => readonly Wait[],
): string {
  const all = known(levels).map(({ pods, shares }) => ({ pods, waits: waitsIn(shares) }));
  const parts = [...new Set(all.flatMap(({ waits }) => waits.map(({ part }) => part)))];
  return titled(
    title,
    ["PART", ...numbers(...all.map(({ pods }) => `${pods} AT ONCE`))],
    parts.map((part) => [
      shown(partName(part, setting.through)),
      ...all.map(({ waits }) => {
        const own = waits.find((wait) => wait.part === part);
        return own === undefined ? "-" : formatMilliseconds(own.milliseconds);
      }),
    ]),
  );
}
