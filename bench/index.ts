/** `npm run bench`: measures part by part; prints tables, shows progress, writes bench/results/. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { htmlReport } from "../src/ctl/bench/html-report.ts";
import { thisMachine } from "../src/ctl/bench/machine.ts";
import { isOverloaded, LoadWatch, type MachineLoad } from "../src/ctl/bench/machine-load.ts";
import { formatReport } from "../src/ctl/bench/tables.ts";
import { ProgressLine } from "../src/ctl/text/progress-line.ts";
import { errorText } from "../src/log/error-text.ts";
import { benchApi } from "./api.ts";
import { benchAttach } from "./attach.ts";
import { benchCounts } from "./counts.ts";
import { benchDensity } from "./density.ts";
import { benchDevices, withoutDevices } from "./devices.ts";
import { benchDryNode } from "./dry-node.ts";
import { type Judged, missedOf, type Verdict } from "./gate.ts";
import { benchHerd } from "./herd.ts";
import { benchKernels, judgedKernels } from "./kernels.ts";
import { benchNative } from "./native.ts";
import { benchObjects } from "./objects.ts";
import { benchCrowd, benchPod, bridgeAloneName } from "./pod.ts";
import type { Progress } from "./progress.ts";
import { type BenchResults, loadText, reportPage } from "./report.ts";
import { type Peer, parsePeer } from "./subjects.ts";
import {
  apiTables,
  attachTable,
  boundsTable,
  countsTable,
  densityTable,
  devicesTitle,
  herdTable,
  kernelTable,
  objectsTable,
} from "./tables.ts";

/** Ends the process: an argument is wrong. */
function refuse(problem: string): never {
  process.stderr.write(`! ${problem}; \`npm run bench -- --help\` says what there is\n`);
  process.exit(2);
}

// tools/tasks/bench.mjs has its help, and refuses what is unknown.
const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "60" },
    peer: { type: "string", multiple: true, default: [] },
    "without-cluster": { type: "boolean", default: false },
    gate: { type: "boolean", default: false },
  },
});

const line = new ProgressLine(process.stderr);

function say(text: string): void {
  line.clear();
  process.stdout.write(`${text}\n`);
}

function peersOf(texts: readonly string[]): Peer[] {
  try {
    return texts.map(parsePeer);
  } catch (error) {
    return refuse(errorText(error));
  }
}

const peers = peersOf(values.peer);
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) refuse(`--rounds ${values.rounds}: wanted a number from 1 on`);

const resultsDirectory = join(import.meta.dirname, "results");
mkdirSync(resultsDirectory, { recursive: true });
const at = new Date().toISOString();
const stamp = at.replaceAll(":", "-").slice(0, 19);
const written: string[] = [];

function write(name: string, text: string): void {
  writeFileSync(join(resultsDirectory, name), text);
  written.push(name);
}

/** A part that has been measured. */
interface Measured {
  readonly report: unknown;
  readonly load: MachineLoad;
  readonly judged: readonly Judged[];
  /** @returns what is missed beyond doubt */
  missed(): Promise<Verdict[]>;
}

interface Part {
  readonly name: keyof BenchResults;
  readonly needsCluster: boolean;
  readonly isOnRequest: boolean;
  /** Measures and shows. @param place among the parts that are measured: `2 of 9` */
  run(place: string): Promise<Measured>;
}

function part<Name extends keyof BenchResults>(definition: {
  readonly name: Name;
  readonly needsCluster?: boolean;
  /** Measured only where it is named. */
  readonly isOnRequest?: boolean;
  /** @param withPeers the bounds are for ours alone */
  readonly measure: (withPeers: boolean, progress: Progress) => Promise<NonNullable<BenchResults[Name]>>;
  readonly show: (report: NonNullable<BenchResults[Name]>) => string;
  readonly judged: (report: NonNullable<BenchResults[Name]>) => readonly Judged[];
}): Part {
  const { name, needsCluster = false, isOnRequest = false, measure, show, judged } = definition;
  const told =
    (about: string, watch: LoadWatch): Progress =>
    async (what, done) => {
      line.show(`${about}: ${what}`, done);
      // Getting ready keeps the machine busy itself.
      if (done > 0) await watch.look();
    };
  return {
    name,
    needsCluster,
    isOnRequest,
    async run(place) {
      const started = performance.now();
      const watch = new LoadWatch();
      const report = await measure(true, told(`${name} (part ${place})`, watch));
      say(show(report));
      const { load } = watch;
      const warning = isOverloaded(load) ? "; the machine was too loaded (see the end)" : "";
      say(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s${warning}`);
      return {
        report,
        load,
        judged: judged(report),
        missed: () =>
          missedOf(
            judged(report),
            async () => judged(await measure(false, told(`${name} (again)`, new LoadWatch()))),
            (text) => say(`gate: ${text}`),
          ),
      };
    },
  };
}

const herdOf = { pods: 110, networks: 4, rounds: 6 };
const ofReport = ({ judged }: { readonly judged: readonly Judged[] }) => judged;
const share = (part: number) => Math.ceil(rounds * part);

const parts: readonly Part[] = [
  part({
    name: "kernels",
    measure: (_withPeers, progress) => benchKernels(progress),
    show: kernelTable,
    judged: judgedKernels,
  }),
  part({
    name: "attach",
    measure: (withPeers, progress) => benchAttach(rounds, withPeers ? peers : [], progress),
    show: (report) => attachTable(report, "One pod: ADD and DEL"),
    judged: ofReport,
  }),
  part({
    name: "counts",
    measure: () => benchCounts(async (what, done) => line.show(`counts: ${what}`, done)),
    show: countsTable,
    judged: ofReport,
  }),
  part({
    name: "devices",
    measure: (_withPeers, progress) => benchDevices(rounds, progress),
    show: (report) => attachTable(report, devicesTitle, withoutDevices),
    judged: ofReport,
  }),
  part({
    name: "herd",
    measure: (_withPeers, progress) => benchHerd(herdOf.pods, herdOf.networks, herdOf.rounds, progress),
    show: herdTable,
    judged: ofReport,
  }),
  part({
    name: "api",
    needsCluster: true,
    measure: (withPeers, progress) => benchApi(share(0.5), withPeers ? peers : [], progress),
    show: apiTables,
    judged: ofReport,
  }),
  part({
    name: "native",
    needsCluster: true,
    measure: (withPeers, progress) => benchNative(rounds, withPeers ? peers : [], progress),
    show: (report) => attachTable(report, "One pod of a real cluster with real networks: ADD and DEL"),
    judged: ofReport,
  }),
  part({
    name: "pod",
    needsCluster: true,
    measure: (withPeers, progress) => benchPod(share(0.2), withPeers ? peers : [], progress),
    show: (report) =>
      attachTable(
        report,
        "Sandboxes of containerd: RunPodSandbox (ADD) and StopPodSandbox (DEL)",
        bridgeAloneName,
      ),
    judged: ofReport,
  }),
  part({
    name: "crowd",
    needsCluster: true,
    isOnRequest: true,
    measure: (withPeers, progress) => benchCrowd(60, share(0.1), withPeers ? peers : [], progress),
    show: (report) =>
      attachTable(
        report,
        "60 sandboxes at once: RunPodSandbox (ADD) and StopPodSandbox (DEL) of all",
        bridgeAloneName,
      ),
    judged: ofReport,
  }),
  part({
    name: "objects",
    needsCluster: true,
    measure: (_withPeers, progress) => benchObjects(share(0.75), progress),
    show: objectsTable,
    judged: ofReport,
  }),
  part({
    name: "density-api",
    needsCluster: true,
    measure: (_withPeers, progress) => benchDensity(herdOf.pods, herdOf.networks, progress),
    show: densityTable,
    judged: ofReport,
  }),
  part({
    name: "node",
    isOnRequest: true,
    measure: (withPeers) =>
      benchDryNode(share(1 / 3), withPeers ? peers : [], (what, done) => line.show(`node: ${what}`, done)),
    show(report) {
      write(`${stamp}-node.html`, htmlReport(report));
      return `\n${formatReport(report)}`;
    },
    // Its bounds are those of part attach.
    judged: () => [],
  }),
];

for (const name of values.only ?? []) {
  if (!parts.some((one) => one.name === name)) refuse(`--only ${name}: no such part`);
}
const wanted = parts.filter(({ name, needsCluster, isOnRequest }) => {
  if (values.only === undefined ? isOnRequest : !values.only.includes(name)) return false;
  if (needsCluster && values["without-cluster"]) say(`${name} is left out: it needs a real API server`);
  return !(needsCluster && values["without-cluster"]);
});
const started = performance.now();
const measured: { readonly name: string; readonly of: Measured }[] = [];
for (const [index, one] of wanted.entries()) {
  measured.push({ name: one.name, of: await one.run(`${index + 1} of ${wanted.length}`) });
}
const judged = measured.flatMap(({ of }) => of.judged);
say(boundsTable(judged));

const results: BenchResults = Object.fromEntries(measured.map(({ name, of }) => [name, of.report]));
const loads = Object.fromEntries(measured.map(({ name, of }) => [name, of.load]));
const setting = { machine: thisMachine(), at, rounds, peers: peers.map(({ name }) => name), loads };
write(`${stamp}.json`, `${JSON.stringify({ ...setting, ...results }, undefined, 2)}\n`);
write(`${stamp}-report.html`, reportPage(setting, results, judged));
say(`written to bench/results/: ${written.join(", ")}`);
const warning = loadText(loads);
if (warning !== "") say(`! ${warning}`);
say(`measured in ${((performance.now() - started) / 1000).toFixed(0)} s`);

if (values.gate) {
  const missed: Verdict[] = [];
  for (const { of } of measured) missed.push(...(await of.missed()));
  say(missed.length === 0 ? "gate: every bound is kept" : `gate: ${missed.length} bounds are missed`);
  if (missed.length > 0) process.exitCode = 1;
}
