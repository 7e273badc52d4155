/** `multusctl bench` on a node that has no VFs: the same rounds and the same report, with a plugin that pretends to attach one. */

import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Peer as PlannedPeer } from "../src/ctl/bench/plan.ts";
import type { BenchReport } from "../src/ctl/bench/report.ts";
import { runBench } from "../src/ctl/bench/run.ts";
import { Interruption } from "../src/ctl/command/interruption.ts";
import { ScratchDirectory } from "../test/support/scratch-directory.ts";
import { debianPlugins } from "../test/support/test-node.ts";
import type { Peer } from "./subjects.ts";

/** Pods that are started at once. */
const levels = [1, 4, 16];
/** Networks of VFs that each pod has, each with VFs of its own. */
const networks = ["sriov-a", "sriov-b", "sriov-dpdk"];

/** @param rounds measured rounds @throws {Error} where it was not measured as a whole, or something is left of it */
export async function benchDryNode(
  rounds: number,
  peers: readonly Peer[],
  show: (what: string, done: number) => void,
): Promise<BenchReport> {
  using scratch = new ScratchDirectory("dry-node");
  const binDir = join(scratch.path, "bin");
  scratch.write("bin/README", "plugins that pretend");
  execFileSync(process.env.CC ?? "cc", [
    ...["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-static"],
    ...["-o", join(binDir, "sriov"), join(import.meta.dirname, "pretended-vf.c")],
  ]);
  for (const plugin of ["bridge", "host-local"]) {
    symlinkSync(join(debianPlugins, plugin), join(binDir, plugin));
  }
  const pods = Math.max(...levels);
  const devicesOf = (port: number) =>
    Array.from({ length: pods }, (_, index) => {
      const slot = index >> 3;
      return `0000:0${port + 1}:0${slot + 2}.${index & 7}`;
    });
  using interruption = new Interruption();
  const report = await runBench(
    {
      site: {
        through: "plugin",
        binDirs: [binDir, debianPlugins],
        masters: [],
        inHostNetwork: false,
        runningDaemon: undefined,
        withoutMultus: true,
      },
      networks: { nad: networks.map((name) => scratch.write(`${name}.json`, definitionOf(name))) },
      devices: networks.map((network, port) => ({ network, ids: devicesOf(port) })),
      peers: peers.map(({ name, binary, netconf }): PlannedPeer => ({ name, target: binary, netconf })),
      levels,
      rounds,
      warmUps: 3,
      podNamespace: "default",
      limitMinutes: 60,
    },
    {
      progress: ({ subject, pods: atOnce, done }) => show(`${atOnce} at once through ${subject}`, done),
      cleaning() {},
    },
    interruption.signal,
  );
  const left = report.left.join("; ");
  if (report.state !== "complete" || left !== "") throw new Error(`${report.reason} ${left}`.trim());
  return report;
}

function definitionOf(name: string): string {
  return JSON.stringify({
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: {
      name,
      namespace: "default",
      annotations: { "k8s.v1.cni.cncf.io/resourceName": `example.com/${name}` },
    },
    spec: { config: JSON.stringify({ cniVersion: "1.0.0", name, type: "sriov", vlan: 100 }) },
  });
}
