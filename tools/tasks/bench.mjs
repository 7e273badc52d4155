/** The benchmark task: checks the machine, and skips benchmarks that need a cluster without one. */

import { join } from "node:path";
import { parseTaskArguments } from "../setup/arguments.mjs";
import { describeMissing, ensureTools } from "../setup/debian.mjs";
import { progress, run, SetupError } from "../setup/process.mjs";
import { pinnedNode, projectDirectory, underCI } from "../setup/project.mjs";
import { buildPrograms } from "./test.mjs";

/** Parts of bench/index.ts: those that need no real API server, and those that need one. */
const partsWithoutCluster = ["kernels", "attach", "counts", "devices", "herd", "node"];
const partsWithCluster = ["api", "native", "pod", "crowd", "objects", "density-api"];

/** For `--help`. */
export const benchUsage = `[--only PART]… [OPTION…]
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
                  not ${partsWithCluster.join(", ")}, which need a real API server
  --gate          exit code 1 if a bound of bench/bounds.ts is missed beyond doubt`;

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
  const all = [...partsWithoutCluster, ...partsWithCluster];
  const unknown = values.only?.filter((part) => !all.includes(part)) ?? [];
  if (unknown.length > 0) {
    throw new SetupError(`--only ${unknown.join(", ")}: there is no such part, but ${all.join(", ")}`);
  }
  const missing = await ensureTools(["compiler", "iproute2", "plugins", "ext4", "go"]);
  if (missing.length > 0) {
    throw new SetupError(`the benchmarks can't run on this machine:\n${describeMissing(missing)}`);
  }
  const wantsCluster =
    !values["without-cluster"] && (values.only?.some((part) => partsWithCluster.includes(part)) ?? true);
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
