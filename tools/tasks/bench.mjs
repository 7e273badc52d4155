/** The benchmark task: checks the machine, and skips benchmarks that need a cluster without one. */

import { join } from "node:path";
import { parseTaskArguments, wantsHelp } from "../setup/arguments.mjs";
import { describeMissing, ensureTools } from "../setup/debian.mjs";
import { progress, run, SetupError } from "../setup/process.mjs";
import { pinnedNode, projectDirectory, underCI } from "../setup/project.mjs";
import { buildPrograms } from "./test.mjs";

/** Parts of bench/index.ts that need no real API server. */
const partsWithoutCluster = ["kernels", "attach", "counts", "devices", "herd", "node"];

/** Installs and builds what a real API server needs. @returns {Promise<string[]>} why there can't be one here; nothing where there can */
async function prepareCluster() {
  const missing = await ensureTools(["etcd", "openssl", "containerd"]);
  return missing.length > 0 ? [describeMissing(missing)] : buildPrograms(["kubernetes"]);
}

/**
 * Runs the benchmarks, without those that need a cluster where there can't be one.
 * @param {readonly string[]} args for bench/index.ts
 * @returns {Promise<number>} exit code
 * @throws {SetupError}
 */
export async function runBenchmarks(args) {
  const benchmarks = join(projectDirectory, "bench", "index.ts");
  if (wantsHelp(args)) return (await run(pinnedNode, [benchmarks, "--help"])).exitCode;
  // Before the cluster is built: what bench/index.ts takes.
  const { values } = parseTaskArguments("bench", {
    args: [...args],
    options: {
      only: { type: "string", multiple: true },
      rounds: { type: "string" },
      peer: { type: "string", multiple: true },
      gate: { type: "boolean" },
      "without-cluster": { type: "boolean" },
    },
  });
  const missing = await ensureTools(["compiler", "iproute2", "plugins", "ext4", "go"]);
  if (missing.length > 0) {
    throw new SetupError(`the benchmarks can't run on this machine:\n${describeMissing(missing)}`);
  }
  const wantsCluster =
    !values["without-cluster"] && (values.only?.some((part) => !partsWithoutCluster.includes(part)) ?? true);
  const reasons = wantsCluster ? await prepareCluster() : [];
  if (reasons.length > 0) {
    progress(`what needs a real API server is not measured:\n${reasons.join("\n")}`);
    if (underCI && values.gate) throw new SetupError("CI is set: a bound that is not measured is a failure");
  }
  const { exitCode } = await run(pinnedNode, [
    benchmarks,
    ...args,
    ...(reasons.length > 0 ? ["--without-cluster"] : []),
  ]);
  return exitCode;
}
