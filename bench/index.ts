/** `npm run bench`: measures part by part; prints tables, shows progress, writes bench/results/. */

import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { htmlReport } from "../src/ctl/bench/html-report.ts";
import { formatReport } from "../src/ctl/bench/tables.ts";
import { benchApi } from "./api.ts";
import { benchAttach } from "./attach.ts";
import { BenchCluster } from "./cluster.ts";
import { benchDensity } from "./density.ts";
import { benchDevices } from "./devices.ts";
import { benchDryNode } from "./dry-node.ts";
import {
  type Missed,
  missedByAttachments,
  missedByDensity,
  missedByDevices,
  missedByKernels,
  missedByObjects,
  missedInCluster,
  missedTwice,
} from "./gate.ts";
import { benchKernels } from "./kernels.ts";
import { benchObjects } from "./objects.ts";
import { parsePeer } from "./subjects.ts";
import {
  apiTables,
  attachPlot,
  attachTable,
  densityTable,
  devicesTable,
  kernelTable,
  objectsTable,
} from "./tables.ts";

const usage = `npm run bench -- [options]
  --only PART     kernels, attach, density, devices, node, api, objects or density-api; may be repeated
                  (default: all)
  --rounds N      measured runs of each subject per case (default 60; in part api, which waits much, three quarters,
                  in part node, which starts many pods, a third)
  --peer NAME=BINARY[,NETCONF.json]
                  another multus to measure beside ours, with the same networks: as inline delegates, and in
                  part api from the API, by an administrator's kubeconfig; the keys of the file are set over
                  the netconf. May be repeated
  --without-cluster
                  not api, objects and density-api, which need a real API server
  --gate          exit code 1 if a bound of bench/gate.ts is missed in two measurements
`;

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "60" },
    peer: { type: "string", multiple: true, default: [] },
    "without-cluster": { type: "boolean", default: false },
    gate: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

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

const peers = values.peer.map(parsePeer);
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds ${values.rounds}: wanted a number from 1 on`);

const results = join(import.meta.dirname, "results");
mkdirSync(results, { recursive: true });
const stamp = new Date().toISOString().replaceAll(":", "-").slice(0, 19);
const written: string[] = [];

function write(name: string, text: string): void {
  writeFileSync(join(results, name), text);
  written.push(name);
}

/** Says what missed its bound, and what does so again. @returns the latter */
async function judge(first: readonly Missed[], again: () => Promise<readonly Missed[]>): Promise<Missed[]> {
  const show = (all: readonly Missed[]): void => {
    for (const { bound, text } of all) say(`gate: ${bound}: ${text}`);
  };
  show(first);
  if (first.length > 0) say("gate: measured once more, as another load on the machine may have done it");
  const missed = await missedTwice(first, again);
  show(missed);
  return missed;
}

/** A part that has been measured. */
interface Measured {
  readonly report: unknown;
  /** @returns what missed its bound, twice */
  judge(): Promise<Missed[]>;
}

interface Part {
  readonly name: string;
  readonly needsCluster: boolean;
  /** Measures and shows. */
  run(): Promise<Measured>;
}

function part<Report>(definition: {
  readonly name: string;
  readonly needsCluster: boolean;
  /** @param withPeers the bounds are for ours alone */
  readonly measure: (withPeers: boolean) => Promise<Report>;
  readonly show: (report: Report) => string;
  readonly missed: (report: Report) => Missed[];
}): Part {
  const { name, needsCluster, measure, show, missed } = definition;
  return {
    name,
    needsCluster,
    async run() {
      const report = await measure(true);
      say(show(report));
      return { report, judge: () => judge(missed(report), async () => missed(await measure(false))) };
    },
  };
}

const densityOf = { pods: 110, networks: 4 };
const commands = ["ADD", "DEL"] as const;

const parts: readonly Part[] = [
  part({
    name: "kernels",
    needsCluster: false,
    measure: benchKernels,
    show: kernelTable,
    missed: missedByKernels,
  }),
  part({
    name: "attach",
    needsCluster: false,
    measure: (withPeers) => benchAttach(rounds, withPeers ? peers : [], progress),
    show(rows) {
      for (const command of commands) write(`${stamp}-${command}.svg`, attachPlot(rows, command));
      return attachTable(rows);
    },
    missed: missedByAttachments,
  }),
  part({
    name: "density",
    needsCluster: false,
    measure: () => benchDensity(densityOf.pods, densityOf.networks),
    show: densityTable,
    missed: missedByDensity,
  }),
  part({
    name: "devices",
    needsCluster: false,
    measure: () => benchDevices(rounds, progress),
    show: devicesTable,
    missed: missedByDevices,
  }),
  part({
    name: "node",
    needsCluster: false,
    measure: (withPeers) => benchDryNode(Math.ceil(rounds / 3), withPeers ? peers : [], progress),
    show(report) {
      write(`${stamp}-node.html`, htmlReport(report));
      return `\n${formatReport(report)}`;
    },
    // Its bounds are those of part attach.
    missed: () => [],
  }),
  part({
    name: "api",
    needsCluster: true,
    measure: (withPeers) => benchApi(Math.ceil(rounds * 0.75), withPeers ? peers : [], progress),
    show(report) {
      for (const command of commands) {
        write(`${stamp}-api-${command}.svg`, attachPlot(report.rows, command, " of a real cluster"));
      }
      return apiTables(report);
    },
    missed: ({ rows }) => missedInCluster(rows),
  }),
  part({
    name: "objects",
    needsCluster: true,
    measure: () => benchObjects(rounds, progress),
    show: objectsTable,
    missed: missedByObjects,
  }),
  part({
    name: "density-api",
    needsCluster: true,
    async measure() {
      await using cluster = await BenchCluster.start();
      return await benchDensity(densityOf.pods, densityOf.networks, cluster);
    },
    show: densityTable,
    missed: missedByDensity,
  }),
];

for (const name of values.only ?? []) {
  if (!parts.some((one) => one.name === name)) throw new Error(`--only ${name}: no such part\n${usage}`);
}
const wanted = parts.filter(({ name, needsCluster }) => {
  if (values.only !== undefined && !values.only.includes(name)) return false;
  if (needsCluster && values["without-cluster"]) say(`${name} is left out: it needs a real API server`);
  return !(needsCluster && values["without-cluster"]);
});
const measured: Record<string, Measured> = {};
for (const one of wanted) measured[one.name] = await one.run();

const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version };
const reports = Object.fromEntries(Object.entries(measured).map(([name, { report }]) => [name, report]));
write(`${stamp}.json`, `${JSON.stringify({ machine, rounds, ...reports }, undefined, 2)}\n`);
say(`\nwritten to bench/results/: ${written.join(", ")}`);

if (values.gate) {
  const missed: Missed[] = [];
  for (const one of Object.values(measured)) missed.push(...(await one.judge()));
  say(missed.length === 0 ? "gate: every bound is kept" : `gate: ${missed.length} bounds are missed`);
  if (missed.length > 0) process.exitCode = 1;
}
