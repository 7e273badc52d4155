/** `npm run bench`: kernels, attachments and density; prints tables, shows progress, writes bench/results/. */

import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Column, formatTable } from "../src/ctl/table.ts";
import { benchAttach } from "./attach.ts";
import { benchDensity, type DensityReport } from "./density.ts";
import { type Missed, missedByAttachments, missedByDensity, missedByKernels, missedTwice } from "./gate.ts";
import { benchKernels, type KernelRow } from "./kernels.ts";
import { barChart } from "./plot.ts";
import type { AttachRow } from "./rounds.ts";
import { parsePeer } from "./subjects.ts";

const usage = `npm run bench -- [options]
  --only PART     kernels, attach or density; may be repeated (default: all)
  --rounds N      measured runs of each subject per case (default 60)
  --peer NAME=BINARY[,NETCONF.json]
                  another multus to measure beside ours, with the same networks as inline delegates;
                  the keys of the file are set over the netconf. May be repeated
  --gate          exit code 1 where a bound of bench/gate.ts is missed, in two measurements
`;

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "60" },
    peer: { type: "string", multiple: true, default: [] },
    gate: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const wanted = (part: string): boolean => values.only === undefined || values.only.includes(part);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Words lean left, numbers right. */
const words = (...headings: string[]): Column[] => headings.map((heading) => ({ heading }));
const numbers = (...headings: string[]): Column[] => headings.map((heading) => ({ heading, align: "right" }));

/** One line that is written over on a terminal; elsewhere one line for each thing that begins. */
let shown = "";
function progress(what: string, done: number): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\u001b[K${what} ${Math.round(done * 100)} %${done >= 1 ? "\n" : ""}`);
  } else if (what !== shown) {
    shown = what;
    process.stderr.write(`${what} …\n`);
  }
}

function showKernels(rows: readonly KernelRow[]): void {
  say("\nKernels against their TypeScript twins (medians)\n");
  say(
    formatTable(
      [...words("kernel", "size"), ...numbers("kernel µs", "twin µs", "times faster", "spread")],
      rows.map((row) => [
        row.kernel,
        row.size,
        (row.kernelNanoseconds / 1000).toFixed(2),
        (row.twinNanoseconds / 1000).toFixed(2),
        row.ratio.toFixed(1),
        row.spread.toFixed(2),
      ]),
    ),
  );
}

function showAttach(rows: readonly AttachRow[]): void {
  say("\nOne pod: ADD and DEL, milliseconds, interleaved\n");
  say(
    formatTable(
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
        row.overhead === undefined ? "" : `+${row.overhead.median.toFixed(2)}`,
        row.overhead === undefined ? "" : row.overhead.interval.map((end) => end.toFixed(1)).join(" … "),
      ]),
    ),
  );
}

function showDensity(report: DensityReport): void {
  say(`\n${report.pods} pods with ${report.networks} networks each, all at once\n`);
  say(
    formatTable(numbers("ADD s", "DEL s", "daemon idle MB", "most MB", "5 s after MB"), [
      [
        report.addSeconds.toFixed(1),
        report.delSeconds.toFixed(1),
        report.idleMegabytes.toFixed(0),
        report.peakMegabytes.toFixed(0),
        report.afterMegabytes.toFixed(0),
      ],
    ]),
  );
}

function plot(rows: readonly AttachRow[], command: "ADD" | "DEL"): string {
  const real = rows.filter((row) => row.command === command && row.delegates !== "free");
  const groups = [...new Set(real.map(({ networks }) => networks))].map((networks) => ({
    label: `${networks} network${networks === 1 ? "" : "s"}`,
    bars: real
      .filter((row) => row.networks === networks)
      .map(({ subject, wall }) => ({ label: subject, median: wall.median, p99: wall.p99 })),
  }));
  return barChart(`${command} of a pod`, "ms", groups);
}

const peers = values.peer.map(parsePeer);
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds ${values.rounds}: wanted a number from 1 on`);

const kernels = wanted("kernels") ? await benchKernels() : [];
if (kernels.length > 0) showKernels(kernels);
const attach = wanted("attach") ? await benchAttach(rounds, peers, progress) : [];
if (attach.length > 0) showAttach(attach);
const density = wanted("density") ? await benchDensity(110, 4) : undefined;
if (density !== undefined) showDensity(density);

const results = join(import.meta.dirname, "results");
mkdirSync(results, { recursive: true });
const stamp = new Date().toISOString().replaceAll(":", "-").slice(0, 19);
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version };
const written = [`${stamp}.json`];
writeFileSync(
  join(results, `${stamp}.json`),
  `${JSON.stringify({ machine, rounds, kernels, attach, density }, undefined, 2)}\n`,
);
if (attach.length > 0) {
  for (const command of ["ADD", "DEL"] as const) {
    writeFileSync(join(results, `${stamp}-${command}.svg`), plot(attach, command));
    written.push(`${stamp}-${command}.svg`);
  }
}
say(`\nwritten to bench/results/: ${written.join(", ")}`);

if (values.gate) {
  const show = (all: readonly Missed[]): void => {
    for (const { bound, text } of all) say(`gate: ${bound}: ${text}`);
  };
  /** Says what missed its bound, and what does so again. */
  const judge = async (
    first: readonly Missed[],
    again: () => Promise<readonly Missed[]>,
  ): Promise<Missed[]> => {
    show(first);
    if (first.length > 0) say("gate: measured once more, as another load on the machine may have done it");
    const missed = await missedTwice(first, again);
    show(missed);
    return missed;
  };
  const missed = [
    ...(await judge(missedByKernels(kernels), async () => missedByKernels(await benchKernels()))),
    ...(await judge(missedByAttachments(attach), async () =>
      missedByAttachments(await benchAttach(rounds, [], progress)),
    )),
    ...(density === undefined
      ? []
      : await judge(missedByDensity(density), async () =>
          missedByDensity(await benchDensity(density.pods, density.networks)),
        )),
  ];
  say(missed.length === 0 ? "gate: every bound is kept" : `gate: ${missed.length} bounds are missed`);
  if (missed.length > 0) process.exitCode = 1;
}
