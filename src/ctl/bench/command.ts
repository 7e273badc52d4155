/** `multusctl bench`: options, progress and output. */

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { ExpectedError } from "../../base/input-error.ts";
import { CniError } from "../../cni/errors.ts";
import { Interrupted, Interruption } from "../command/interruption.ts";
import { UserError } from "../command/user-error.ts";
import { defaultCniDir, defaultSocketDir, usualBinDirs } from "../node/installation.ts";
import { abandonedScratchNodes, removeAbandoned } from "../scratch/abandoned.ts";
import { networksOf } from "../scratch/networks.ts";
import { ProgressLine } from "../text/progress-line.ts";
import { count } from "../text/quantities.ts";
import { longestTime, mostPods, mostRounds } from "./bounds.ts";
import { runtimeSocket } from "./cri/endpoint.ts";
import { htmlReport } from "./html-report.ts";
import { type BenchOptions, planOf } from "./options.ts";
import { type BenchPlan, describePlan } from "./plan.ts";
import type { BenchReport } from "./report.ts";
import type { Progress } from "./rounds.ts";
import { type BenchObserver, runBench } from "./run.ts";
import { removeAbandonedSandboxes } from "./runtime-site.ts";
import { formatReport } from "./tables.ts";

/** A shell's exit code of a program that Ctrl-C ended. */
const interruptedExitCode = 130;

export function benchCommand() {
  return described().action(run);
}

function described() {
  return new Command("bench")
    .summary("measure how long pods with several networks take to start on this machine")
    .description(
      "Starts and stops pods with the networks that are named, again and again, and reports how long it took, what a pod waited for, and our share of that. " +
        "Without --runtime pods are scratch network namespaces, attached by the real plugin, a daemon of their own and the real delegates, so that nothing of this machine changes. " +
        "With --runtime they are sandboxes of this node's containerd or CRI-O, through the daemon of this node. Needs root.",
    )
    .option(
      "--networks <annotation>",
      "the pods' selections: the value of k8s.v1.cni.cncf.io/networks (default: all of --nad)",
    )
    .option("--nad <file...>", "manifests of NetworkAttachmentDefinitions, YAML or JSON")
    .option("--cluster-network <file>", "the cluster network, .conf or .conflist (default: a bridge)")
    .option("--master <link...>", "links to create on the scratch node, besides those that the files name")
    .option("--bin-dir <directory...>", `directories of plugins (default: ${usualBinDirs().join(", ")})`)
    .option("--host-network", "run delegates in this machine's own network namespace, as VFs need it")
    .option("--devices <network=id,id,...>", "devices for the pods, one each; may be repeated", collected)
    .option("--runtime", "start sandboxes of this node's container runtime")
    .option("--runtime-endpoint <socket>", "the runtime's CRI socket; implies --runtime")
    .option("--cgroup-parent <cgroup>", "with --runtime: cgroup of the sandboxes (default: by the node)")
    .option(
      "--socket-dir <directory>",
      `use the daemon that listens there (with --runtime: ${defaultSocketDir})`,
    )
    .option("--cni-dir <directory>", "with --socket-dir: that daemon's cniDir", defaultCniDir)
    .option("--pod-namespace <name>", "Kubernetes namespace of the pods", "default")
    .option("--pods <numbers>", `pods to start at once, at most ${mostPods}: one number, or several`, "1,2,4")
    .option("--rounds <count>", `measured rounds, at most ${mostRounds}`, "20")
    .option("--warm-up <count>", "rounds before them", "3")
    .option("--time-limit <minutes>", `begin no round after that time, at most ${longestTime} min`, "30")
    .option(
      "--peer <name=binary[,netconf]>",
      "another multus, in the same rounds; with --runtime name=handler; may be repeated",
      collected,
    )
    .option("--without-multus", "compare with the cluster network's plugins alone, in the same rounds")
    .option("--json <file>", "write all measurements as JSON; - is stdout")
    .option("--report <file>", "write one HTML page with plots")
    .option("--dry-run", "say what would be done, and change nothing")
    .option("--clean-up", "only remove what a benchmark that was killed has left")
    .addHelpText(
      "after",
      `
Ctrl-C stops all pods, and reports the rounds that are complete. Times of one run compare with each other, not with
those of another run. docs/bench-node.md says how to read the report.

Examples:
  sudo multusctl bench --report report.html
  sudo multusctl bench --nad networks.yaml --pods 1,8,32 --without-multus --report report.html
  sudo multusctl bench --nad sriov.yaml --host-network --devices vf=0000:03:02.0,0000:03:02.1 --pods 1,2
  sudo multusctl bench --runtime --networks storage,storage@data1 --pods 1,4,16 --report report.html
  sudo multusctl bench --peer go=/opt/cni/bin/multus-go --json report.json`,
    );
}

function collected(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

async function run(options: BenchOptions): Promise<void> {
  if (options.cleanUp === true) {
    requireRoot();
    await cleanUp(options);
    return;
  }
  const plan = planOf(options, { socketDir: defaultSocketDir });
  const selection = selectionOf(plan);
  if (options.dryRun === true) {
    process.stdout.write(`${describePlan(plan, selection).join("\n")}\nNothing has been changed.\n`);
    return;
  }
  requireRoot();
  await removeLeftovers(plan);
  using interruption = new Interruption();
  let report: BenchReport;
  try {
    report = await runBench(plan, new StderrObserver(), interruption.signal);
  } catch (error) {
    if (error instanceof Interrupted) {
      process.stderr.write("! interrupted before anything was measured; everything is removed\n");
      process.exitCode = interruptedExitCode;
      return;
    }
    throw forUser(error);
  }
  writeReports(report, options);
  for (const left of report.left) process.stderr.write(`! left behind: ${left}\n`);
  if (report.left.length > 0)
    process.stderr.write("  multusctl bench --clean-up removes what is abandoned\n");
  process.exitCode = exitCodeOf(report);
}

function exitCodeOf({ state, left }: BenchReport): number {
  if (state === "interrupted") return interruptedExitCode;
  return state === "failed" || left.length > 0 ? 1 : 0;
}

/** Of CNI and of inputs: they are the user's to mend. */
function forUser(error: unknown): unknown {
  const isExpected = error instanceof ExpectedError || error instanceof CniError;
  return isExpected ? new UserError(error.message, "", { cause: error }) : error;
}

function requireRoot(): void {
  if (process.getuid?.() !== 0)
    throw new UserError("pods and network namespaces need root", "run it with sudo");
}

/** The pods' annotation. @throws {UserError} for files that are not there */
function selectionOf({ site, networks, podNamespace }: BenchPlan): string {
  return site.through === "runtime"
    ? (networks.networks ?? "")
    : networksOf(networks, podNamespace).selection;
}

function writeReports(report: BenchReport, options: BenchOptions): void {
  const json = `${JSON.stringify(report, undefined, 2)}\n`;
  const write = (file: string, text: string) => {
    writeFileSync(resolve(file), text);
    process.stderr.write(`written: ${file}\n`);
  };
  if (options.json === "-") process.stdout.write(json);
  else process.stdout.write(formatReport(report));
  if (options.json !== undefined && options.json !== "-") write(options.json, json);
  if (options.report !== undefined) write(options.report, htmlReport(report));
}

/** Progress on stderr. */
class StderrObserver implements BenchObserver {
  readonly #line = new ProgressLine(process.stderr);

  readonly progress: Progress = ({ round, subject, pods, done }) => {
    const what = round < 1 ? "warm-up" : `round ${round}`;
    this.#line.show(`${what}, ${count(pods, "pod")} at once through ${subject}`, done);
  };

  cleaning(): void {
    this.#line.clear();
    process.stderr.write("stopping pods and removing everything\n");
  }
}

/** Removes what benchmarks that were killed have left, before another one is measured beside it. */
async function removeLeftovers({ site }: BenchPlan): Promise<void> {
  if (site.through === "plugin") await removeScratchNodes();
  else await removeSandboxes(site.socket);
}

async function cleanUp(options: BenchOptions): Promise<void> {
  await removeScratchNodes();
  try {
    await removeSandboxes(runtimeSocket(options.runtimeEndpoint));
  } catch (error) {
    // Without a runtime there are no sandboxes, unless one was named.
    if (options.runtimeEndpoint !== undefined || !(error instanceof UserError)) throw error;
    process.stderr.write(`no sandboxes are looked for: ${error.message}\n`);
  }
}

async function removeScratchNodes(): Promise<void> {
  for (const directory of abandonedScratchNodes()) {
    process.stderr.write(`removing what a killed multusctl has left: ${directory}\n`);
    await removeAbandoned(directory);
  }
}

async function removeSandboxes(socket: string): Promise<void> {
  const { removed, left } = await removeAbandonedSandboxes(socket);
  if (removed > 0) {
    process.stderr.write(
      `removed ${removed === 1 ? "1 sandbox" : `${removed} sandboxes`} that a killed benchmark has left\n`,
    );
  }
  if (left.length > 0) {
    throw new UserError(`could not be removed: ${left.join("; ")}`, "look at the runtime's log");
  }
}
