/** The results of the benchmarks: as tables for a terminal, and as a plot. */

import { barChart } from "../src/ctl/bench/plot/bar-chart.ts";
import { type Column, formatTable } from "../src/ctl/text/table.ts";
import type { ApiReport } from "./api.ts";
import type { DensityReport } from "./density.ts";
import type { KernelRow } from "./kernels.ts";
import type { ObjectsReport } from "./objects.ts";
import type { AttachRow } from "./rounds.ts";

/** Words lean left, numbers right. */
const words = (...headings: string[]): Column[] => headings;
const numbers = (...headings: string[]): Column[] => headings.map((heading) => ({ heading, align: "right" }));

function titled(title: string, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return `\n${title}\n\n${formatTable(columns, rows)}`;
}

const interval = (ends: readonly [number, number], digits: number): string =>
  ends.map((end) => end.toFixed(digits)).join(" … ");

const signed = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(2)}`;

export function kernelTable(rows: readonly KernelRow[]): string {
  return titled(
    "Kernels against their TypeScript twins (medians)",
    [...words("kernel", "size"), ...numbers("kernel µs", "twin µs", "times faster", "spread")],
    rows.map((row) => [
      row.kernel,
      row.size,
      (row.kernelNanoseconds / 1000).toFixed(2),
      (row.twinNanoseconds / 1000).toFixed(2),
      row.ratio.toFixed(1),
      row.spread.toFixed(2),
    ]),
  );
}

/** @param where words for the title */
export function attachTable(rows: readonly AttachRow[], where = ""): string {
  return titled(
    `One pod${where}: ADD and DEL, milliseconds, interleaved`,
    [
      ...words("delegates", "networks", "command", "through"),
      ...numbers("median", "spread", "p99", "CPU", "over the delegates", "95 %"),
    ],
    rows.map((row) => [
      row.delegates,
      String(row.networks),
      row.command,
      row.subject,
      row.wall.median.toFixed(2),
      row.wall.spread.toFixed(2),
      row.wall.p99.toFixed(2),
      row.cpu.toFixed(2),
      row.overhead === undefined ? "" : signed(row.overhead.median),
      row.overhead === undefined ? "" : interval(row.overhead.interval, 1),
    ]),
  );
}

export function apiTables({ rows, deliveries }: ApiReport): string {
  const delivered = titled(
    "From the answer of an ADD until it is in the API, milliseconds",
    [...words("delegates", "networks", "through"), ...numbers("network-status", "p99", "last event", "p99")],
    deliveries.map(({ delegates, networks, subject, status, events }) => [
      delegates,
      String(networks),
      subject,
      status.median.toFixed(1),
      status.p99.toFixed(1),
      events.median.toFixed(0),
      events.p99.toFixed(0),
    ]),
  );
  return attachTable(rows, " of a real cluster") + delivered;
}

export function objectsTable({ few, many, ratio, interval: ends }: ObjectsReport): string {
  const table = titled(
    "One pod with 4 networks in a small and in a large cluster: ADD, milliseconds, interleaved",
    numbers(
      ...["networks", "pods", "median", "spread", "p99"],
      ...["daemon idle MB", "most MB", "1 s after MB"],
    ),
    [few, many].map((row) => [
      String(row.networks),
      String(row.pods),
      row.wall.median.toFixed(2),
      row.wall.spread.toFixed(2),
      row.wall.p99.toFixed(2),
      row.idleMegabytes.toFixed(0),
      row.peakMegabytes.toFixed(0),
      row.afterMegabytes.toFixed(0),
    ]),
  );
  return `${table}\nratio ${ratio.toFixed(3)} (95 %: ${interval(ends, 3)})\n`;
}

export function devicesTable(rows: readonly AttachRow[]): string {
  return titled(
    "A pod whose networks have devices, and the same without: milliseconds, interleaved",
    [...words("pod", "command"), ...numbers("devices", "median", "spread", "p99", "more", "ratio")],
    rows.map(({ subject, command, networks, wall, overhead }) => [
      subject,
      command,
      overhead === undefined ? "0" : String(networks - 1),
      wall.median.toFixed(2),
      wall.spread.toFixed(2),
      wall.p99.toFixed(2),
      overhead === undefined ? "" : `${overhead.median.toFixed(2)} (95 %: ${interval(overhead.interval, 2)})`,
      overhead === undefined ? "" : (wall.median / (wall.median - overhead.median)).toFixed(2),
    ]),
  );
}

export function densityTable(report: DensityReport): string {
  const { pods, networks, statusSeconds } = report;
  const where = statusSeconds === undefined ? "" : " of a real cluster";
  return titled(
    `${pods} pods${where} with ${networks} networks each, all at once`,
    numbers(
      "ADD s",
      ...(statusSeconds === undefined ? [] : ["last status after s"]),
      ...["DEL s", "daemon idle MB", "most MB", "5 s after MB"],
    ),
    [
      [
        report.addSeconds.toFixed(1),
        ...(statusSeconds === undefined ? [] : [statusSeconds.toFixed(2)]),
        report.delSeconds.toFixed(1),
        report.idleMegabytes.toFixed(0),
        report.peakMegabytes.toFixed(0),
        report.afterMegabytes.toFixed(0),
      ],
    ],
  );
}

/** Medians and p99 of what is attached by real delegates, as SVG. @param where words for the title */
export function attachPlot(rows: readonly AttachRow[], command: "ADD" | "DEL", where = ""): string {
  const real = rows.filter((row) => row.command === command && row.delegates !== "free");
  const groups = [...new Set(real.map(({ networks }) => networks))].map((networks) => ({
    label: `${networks} network${networks === 1 ? "" : "s"}`,
    bars: real
      .filter((row) => row.networks === networks)
      .map(({ subject, wall }) => ({ label: subject, median: wall.median, p99: wall.p99 })),
  }));
  return barChart(`${command} of a pod${where}`, "ms", groups);
}
