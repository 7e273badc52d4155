/** `npm run bench`: measures part by part; prints tables, shows progress, writes bench/results/. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { htmlReport } from "../src/ctl/bench/html-report.ts";
import { thisMachine } from "../src/ctl/bench/machine.ts";
import { formatReport } from "../src/ctl/bench/tables.ts";
import { benchApi } from "./api.ts";
import { benchAttach } from "./attach.ts";
import { BenchCluster } from "./cluster.ts";
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
import { type BenchResults, reportPage } from "./report.ts";
import { parsePeer } from "./subjects.ts";
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

const usage = `npm run bench -- [options]
  --only PART     kernels, attach, counts, devices, herd, api, native, pod, objects, density-api, crowd
                  or node; may be repeated (default: all but the last two)
  --rounds N      measured runs of each subject per case (default 60; fewer in parts that take longer: in
                  part objects three quarters, in part api a half, in part native a half to a fifth, in part
                  pod a fifth, in part crowd a tenth, in part node a third)
  --peer NAME=BINARY[,NETCONF.json]
                  another multus to measure beside ours, with the same networks: as inline delegates, and in
                  parts api, native and pod from the API, by an administrator's kubeconfig; the keys of the file
                  are set over the netconf. May be repeated
  --without-cluster
                  not api, native, pod, crowd, objects and density-api, which need a real API server
  --gate          exit code 1 if a bound of bench/bounds.ts is missed beyond doubt
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
  readonly judged: readonly Judged[];
  /** @returns what is missed beyond doubt */
  missed(): Promise<Verdict[]>;
}

interface Part {
  readonly name: keyof BenchResults;
  readonly needsCluster: boolean;
  readonly isOnRequest: boolean;
  /** Measures and shows. */
  run(): Promise<Measured>;
}

function part<Name extends keyof BenchResults>(definition: {
  readonly name: Name;
  readonly needsCluster?: boolean;
  /** Measured only where it is named. */
  readonly isOnRequest?: boolean;
  /** @param withPeers the bounds are for ours alone */
  readonly measure: (withPeers: boolean) => Promise<NonNullable<BenchResults[Name]>>;
  readonly show: (report: NonNullable<BenchResults[Name]>) => string;
  readonly judged: (report: NonNullable<BenchResults[Name]>) => readonly Judged[];
}): Part {
  const { name, needsCluster = false, isOnRequest = false, measure, show, judged } = definition;
  return {
    name,
    needsCluster,
    isOnRequest,
    async run() {
      const started = performance.now();
      const report = await measure(true);
      say(show(report));
      say(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
      return {
        report,
        judged: judged(report),
        missed: () =>
          missedOf(
            judged(report),
            async () => judged(await measure(false)),
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
  part({ name: "kernels", measure: benchKernels, show: kernelTable, judged: judgedKernels }),
  part({
    name: "attach",
    measure: (withPeers) => benchAttach(rounds, withPeers ? peers : [], progress),
    show: (report) => attachTable(report, "One pod: ADD and DEL"),
    judged: ofReport,
  }),
  part({ name: "counts", measure: () => benchCounts(), show: countsTable, judged: ofReport }),
  part({
    name: "devices",
    measure: () => benchDevices(rounds, progress),
    show: (report) => attachTable(report, devicesTitle, withoutDevices),
    judged: ofReport,
  }),
  part({
    name: "herd",
    measure: () => benchHerd(herdOf.pods, herdOf.networks, herdOf.rounds, progress),
    show: herdTable,
    judged: ofReport,
  }),
  part({
    name: "api",
    needsCluster: true,
    measure: (withPeers) => benchApi(share(0.5), withPeers ? peers : [], progress),
    show: apiTables,
    judged: ofReport,
  }),
  part({
    name: "native",
    needsCluster: true,
    measure: (withPeers) => benchNative(rounds, withPeers ? peers : [], progress),
    show: (report) => attachTable(report, "One pod of a real cluster with real networks: ADD and DEL"),
    judged: ofReport,
  }),
  part({
    name: "pod",
    needsCluster: true,
    measure: (withPeers) => benchPod(share(0.2), withPeers ? peers : [], progress),
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
    measure: (withPeers) => benchCrowd(60, share(0.1), withPeers ? peers : [], progress),
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
    measure: () => benchObjects(share(0.75), progress),
    show: objectsTable,
    judged: ofReport,
  }),
  part({
    name: "density-api",
    needsCluster: true,
    async measure() {
      await using cluster = await BenchCluster.start();
      return await benchDensity(herdOf.pods, herdOf.networks, cluster);
    },
    show: densityTable,
    judged: ofReport,
  }),
  part({
    name: "node",
    isOnRequest: true,
    measure: (withPeers) => benchDryNode(share(1 / 3), withPeers ? peers : [], progress),
    show(report) {
      write(`${stamp}-node.html`, htmlReport(report));
      return `\n${formatReport(report)}`;
    },
    // Its bounds are those of part attach.
    judged: () => [],
  }),
];

for (const name of values.only ?? []) {
  if (!parts.some((one) => one.name === name)) throw new Error(`--only ${name}: no such part\n${usage}`);
}
const wanted = parts.filter(({ name, needsCluster, isOnRequest }) => {
  if (values.only === undefined ? isOnRequest : !values.only.includes(name)) return false;
  if (needsCluster && values["without-cluster"]) say(`${name} is left out: it needs a real API server`);
  return !(needsCluster && values["without-cluster"]);
});
const started = performance.now();
const measured: { readonly name: string; readonly of: Measured }[] = [];
for (const one of wanted) measured.push({ name: one.name, of: await one.run() });
const judged = measured.flatMap(({ of }) => of.judged);
say(boundsTable(judged));

const results: BenchResults = Object.fromEntries(measured.map(({ name, of }) => [name, of.report]));
const setting = { machine: thisMachine(), at, rounds, peers: peers.map(({ name }) => name) };
write(`${stamp}.json`, `${JSON.stringify({ ...setting, ...results }, undefined, 2)}\n`);
write(`${stamp}-report.html`, reportPage(setting, results, judged));
say(`written to bench/results/: ${written.join(", ")}`);
say(`measured in ${((performance.now() - started) / 1000).toFixed(0)} s`);

if (values.gate) {
  const missed: Verdict[] = [];
  for (const { of } of measured) missed.push(...(await of.missed()));
  say(missed.length === 0 ? "gate: every bound is kept" : `gate: ${missed.length} bounds are missed`);
  if (missed.length > 0) process.exitCode = 1;
}
