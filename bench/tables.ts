/** The results of the benchmarks as tables for a terminal. */

import { spreadMeaning } from "../src/ctl/text/statistics.ts";
import { type Column, formatTable } from "../src/ctl/text/table.ts";
import type { ApiReport } from "./api.ts";
import type { AttachReport } from "./attach.ts";
import type { CountsReport } from "./counts.ts";
import type { DensityReport } from "./density.ts";
import { type Judged, verdictOf, verdictText } from "./gate.ts";
import type { HerdReport } from "./herd.ts";
import type { KernelRow } from "./kernels.ts";
import type { ObjectsReport } from "./objects.ts";
import { type Ratio, ratioOf } from "./ratio.ts";

/** Words lean left, numbers right. */
const words = (...headings: string[]): Column[] => headings;
const numbers = (...headings: string[]): Column[] => headings.map((heading) => ({ heading, align: "right" }));

function titled(title: string, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return `\n${title}\n\n${formatTable(columns, rows)}`;
}

const interval = (ends: readonly [number, number], digits: number): string =>
  ends.every(Number.isFinite) ? ends.map((end) => end.toFixed(digits)).join(" … ") : "too few rounds";

/** `1.23 (1.10 … 1.30)` */
const ratioText = (ratio: Ratio | undefined, digits: number): string =>
  ratio === undefined ? "" : `${ratio.value.toFixed(digits)} (${interval(ratio.interval, digits)})`;

export function kernelTable(rows: readonly KernelRow[]): string {
  const table = titled(
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
  return `${table}\n${spreadMeaning} Here the spread is that of "times faster".\n`;
}

/** @param title of the table @param over what the shares and units are against */
export function attachTable({ rows, units }: AttachReport, title: string, over = "the delegates"): string {
  const unit = Object.entries(units).map(([networks, time]) => `${time.toFixed(2)} ms with ${networks}`);
  const table = titled(
    `${title}, milliseconds, interleaved`,
    [
      ...words("delegates", "networks", "command", "through"),
      ...numbers("median", "spread", "p99", "CPU", "processes"),
      ...numbers(`units over ${over} (95 %)`, `share of ${over} (95 %)`),
    ],
    rows.map((row) => [
      row.delegates,
      String(row.networks),
      row.command,
      row.subject,
      row.wall.median.toFixed(2),
      row.wall.spread.toFixed(2),
      row.wall.p99.toFixed(2),
      row.cpu === 0 ? "" : row.cpu.toFixed(2),
      row.processes === undefined ? "" : String(row.processes),
      ratioText(row.units, 2),
      ratioText(row.share, 3),
    ]),
  );
  const ofUnit = unit.length === 0 ? "" : `One unit, a start of the free delegate: ${unit.join(", ")}.\n`;
  return `${table}\n${spreadMeaning}\n${ofUnit}`;
}

export function countsTable({ rows }: CountsReport): string {
  return titled(
    "One pod of free delegates: counts",
    [...words("networks", "command"), ...numbers("processes", "round trips of shim and daemon")],
    rows.map(({ networks, command, processes, roundTrips }) => [
      String(networks),
      command,
      String(processes),
      String(roundTrips),
    ]),
  );
}

export function apiTables(report: ApiReport): string {
  const delivered = titled(
    "From the answer of an ADD until it is in the API, milliseconds",
    [...words("delegates", "networks", "through"), ...numbers("network-status", "p99", "last event", "p99")],
    report.deliveries.map(({ delegates, networks, subject, status, events }) => [
      delegates,
      String(networks),
      subject,
      status.median.toFixed(1),
      status.p99.toFixed(1),
      events.median.toFixed(0),
      events.p99.toFixed(0),
    ]),
  );
  const requests = report.requests.map((request) => `  ${request}\n`).join("");
  return `${attachTable(report, "One pod of a real cluster: ADD and DEL")}${delivered}\nrequests of an ADD and its DEL:\n${requests}`;
}

export function objectsTable({ few, many, rounds }: ObjectsReport): string {
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
  return `${table}\nratio ${ratioText(ratioOf(rounds), 3)}\n${spreadMeaning}\n`;
}

export function herdTable({ pods, networks, rows }: HerdReport): string {
  const seconds = (times: readonly number[]) => times.map((time) => time.toFixed(2)).join(", ");
  return titled(
    `${pods} pods with ${networks} networks each, all at once; each round's seconds`,
    [...words("through"), ...numbers("ADD s", "DEL s", "daemon idle MB", "most MB", "1 s after MB")],
    rows.map((row) => [
      row.subject,
      seconds(row.addSeconds),
      seconds(row.delSeconds),
      row.idleMegabytes.toFixed(0),
      row.peakMegabytes.toFixed(0),
      row.afterMegabytes.toFixed(0),
    ]),
  );
}

/** The title of part devices. */
export const devicesTitle = "A pod whose networks have devices, and the same without: ADD and DEL";

/** Every bound with what was measured. */
export function boundsTable(judged: readonly Judged[]): string {
  return `\nBounds\n\n${judged.map((one) => `${verdictText(verdictOf(one))}\n`).join("")}`;
}

export function densityTable(report: DensityReport): string {
  const { pods, networks } = report;
  return titled(
    `${pods} pods of a real cluster with ${networks} networks each, all at once`,
    numbers(...["ADD s", "last status after s", "DEL s", "daemon idle MB", "most MB", "5 s after MB"]),
    [
      [
        report.addSeconds.toFixed(1),
        report.statusSeconds.toFixed(2),
        report.delSeconds.toFixed(1),
        report.idleMegabytes.toFixed(0),
        report.peakMegabytes.toFixed(0),
        report.afterMegabytes.toFixed(0),
      ],
    ],
  );
}
