/** The test tasks: choose the suites that can run on this machine, run them, and report. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { describeMissing, ensureTools, isRoot } from "../setup/debian.mjs";
import { ensurePrograms } from "../setup/kubernetes.mjs";
import { interruption, progress, run, SetupError } from "../setup/process.mjs";
import { pinnedNode, projectDirectory, underCI } from "../setup/project.mjs";

/** The programs of a real one-node cluster: those of the machine, and those that are built with Go. */
export const clusterTools = [
  "compiler",
  "iproute2",
  "plugins",
  "iptables",
  "containerd",
  "busybox",
  "etcd",
  "openssl",
  "go",
];
export const clusterPrograms = ["kubernetes", "kubernetes-controllers", "containerd"];

const heavyTools = [
  "compiler",
  "crossCompiler",
  "emulator",
  "iproute2",
  "plugins",
  "iptables",
  "strace",
  "containerd",
  "go",
  "promtool",
  "chromium",
  "skopeo",
];

/** Further programs of the suite cluster. */
const clusterSuitePrograms = [...clusterPrograms, "helm", "kustomize", "whereabouts", "prometheus-operator"];

/**
 * The suites (projects of vitest.config.ts) and what each needs of the machine. `root`: makes network namespaces. `builds`: runs what is built with Go.
 * @type {Record<string, { needs: readonly (keyof typeof import("../setup/debian.mjs").tools)[], root: boolean, builds?: readonly ("kubernetes" | "kubernetes-controllers" | "containerd" | "helm" | "whereabouts" | "kustomize" | "prometheus-operator")[] }>}
 */
const suites = {
  unit: { needs: ["openssl"], root: false },
  "unit-counting": { needs: ["openssl"], root: false },
  generated: { needs: [], root: false },
  fuzz: { needs: [], root: false },
  shim: { needs: ["compiler", "iproute2", "strace"], root: true },
  golden: { needs: ["compiler", "iproute2"], root: true },
  e2e: { needs: ["compiler", "iproute2", "plugins", "iptables"], root: true },
  heavy: { needs: heavyTools, root: true },
  "heavy-measured": { needs: heavyTools, root: true },
  // The release that is installed has both architectures.
  cluster: { needs: [...clusterTools, "crossCompiler"], root: true, builds: clusterSuitePrograms },
  "cluster-measured": { needs: clusterTools, root: true, builds: clusterSuitePrograms },
};

/** The suites of `npm test`, `npm run test:heavy` and `npm run test:cluster`. */
export const everydaySuites = ["unit", "unit-counting", "generated", "fuzz", "shim", "golden", "e2e"];
export const heavySuites = ["heavy", "heavy-measured"];
export const clusterSuites = ["cluster", "cluster-measured"];

const reportDirectory = join(projectDirectory, "build", "test-reports");

/** The projects that the user named with --project, if any. */
function namedProjects(args) {
  return args.flatMap((argument, index) => {
    if (argument.startsWith("--project=")) return [argument.slice("--project=".length)];
    return args[index - 1] === "--project" ? [argument] : [];
  });
}

/** Builds them where they are not there yet. @returns {Promise<string[]>} why they can't be built here; nothing where they can */
export async function buildPrograms(names) {
  try {
    await ensurePrograms(names);
    return [];
  } catch (error) {
    if (!(error instanceof SetupError) || interruption() !== undefined) throw error;
    return [error.message.replace(/^/gm, "  ")];
  }
}

/**
 * Installs what the suites need; says which of them can't run here, and why.
 * @returns {Promise<string[]>} the suites that can
 */
export async function prepareSuites(names) {
  const wanted = names.map((name) => {
    const suite = suites[name];
    if (suite === undefined)
      throw new SetupError(`no suite ${name}; there are ${Object.keys(suites).join(", ")}`);
    return { name, ...suite };
  });
  const missing = await ensureTools([...new Set(wanted.flatMap((suite) => suite.needs))]);
  const reasons = [];
  for (const suite of wanted) {
    const absent = suite.needs.filter((tool) => missing.includes(tool));
    const lines = [];
    if (suite.root && !isRoot()) lines.push("  needs root: it makes network namespaces (run with sudo)");
    if (absent.length > 0) lines.push(describeMissing(absent));
    if (lines.length === 0) lines.push(...(await buildPrograms(suite.builds ?? [])));
    reasons.push({ name: suite.name, lines });
  }
  const skipped = reasons.filter(({ lines }) => lines.length > 0);
  for (const { name, lines } of skipped) progress(`suite ${name} is skipped:\n${lines.join("\n")}`);
  if (skipped.length > 0 && underCI) {
    throw new SetupError("CI is set: a skipped suite is a failure");
  }
  return reasons.filter(({ lines }) => lines.length === 0).map(({ name }) => name);
}

/** A report of vitest's JSON reporter as counts. A file that could not be loaded counts as one failed test. */
function countReport(file) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  const results = report.testResults.flatMap((suite) =>
    suite.assertionResults.length === 0
      ? [{ status: suite.status, fullName: relative(projectDirectory, suite.name) }]
      : suite.assertionResults,
  );
  const notRun = results.filter(({ status }) => status !== "passed" && status !== "failed");
  return {
    passed: results.filter(({ status }) => status === "passed").length,
    failed: results.filter(({ status }) => status === "failed").length,
    notRun: notRun.map(({ fullName }) => fullName),
  };
}

/**
 * Runs vitest over the suites.
 * @param {string} label names the report
 * @param {readonly string[]} names suites
 * @param {readonly string[]} args further arguments for vitest: files, -t, --project …
 * @returns {Promise<number>} exit code
 */
export async function runSuites(label, names, args) {
  const chosen = namedProjects(args);
  const runnable = await prepareSuites(chosen.length > 0 ? chosen : names);
  if (runnable.length === 0) return 1;
  const report = join(reportDirectory, `${label}.json`);
  mkdirSync(reportDirectory, { recursive: true });
  rmSync(report, { force: true });
  const { exitCode } = await run(pinnedNode, [
    join(projectDirectory, "node_modules", "vitest", "vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...runnable.flatMap((name) => ["--project", name]),
    ...args.filter((argument, index) => !argument.startsWith("--project") && args[index - 1] !== "--project"),
  ]);
  await sweep();
  if (exitCode !== 0 || !existsSync(report)) return exitCode === 0 ? 1 : exitCode;
  const { notRun } = countReport(report);
  if (notRun.length > 0 && underCI) {
    progress(`CI is set: a skipped test is a failure:\n${notRun.map((name) => `  ${name}`).join("\n")}`);
    return 1;
  }
  return 0;
}

/** Removes namespaces and directories of test runs that were killed. */
export async function sweep() {
  if (!isRoot()) return;
  await run(pinnedNode, [join(projectDirectory, "test", "support", "sweep.ts")]);
}

/** Forgets the reports of earlier runs. */
export function clearReports() {
  rmSync(reportDirectory, { recursive: true, force: true });
}

/**
 * The last line of CI: tests of all suites, and each other step (lint, demo …) as one. Nothing done at all is a failure.
 * @param {readonly string[]} steps `name=exit code` of every step that CI ran; a test step's name is its report's
 */
export function printCounts(steps) {
  let passed = 0;
  let failed = 0;
  const reports = existsSync(reportDirectory) ? readdirSync(reportDirectory) : [];
  for (const step of steps) {
    const [name, exitCode] = step.split("=");
    const succeeded = exitCode === "0";
    if (reports.includes(`${name}.json`)) {
      const counts = countReport(join(reportDirectory, `${name}.json`));
      passed += counts.passed;
      // A run can fail without a failed test: an error outside of tests, a skipped test.
      failed += counts.failed === 0 && !succeeded ? 1 : counts.failed;
    } else if (succeeded) {
      passed += 1;
    } else {
      failed += 1;
    }
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
