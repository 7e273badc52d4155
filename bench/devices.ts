/** The cost of devices: ADD and DEL of a pod whose networks each get one, beside the same networks without, in the same rounds. The delegates cost nothing. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { count as countText } from "../src/ctl/text/quantities.ts";
import type { PodOfKubelet } from "../test/support/pod-resources-server.ts";
import { ScratchDirectory } from "../test/support/scratch-directory.ts";
import type { AttachReport } from "./attach.ts";
import { BenchNode } from "./bench-node.ts";
import type { Judged } from "./gate.ts";
import { freeNetworks, selection } from "./networks.ts";
import { type Progress, Rounds } from "./progress.ts";
import {
  type AttachRow,
  commands,
  interleave,
  overInUnits,
  podsBefore,
  rows,
  unitOf,
  warmUps,
} from "./rounds.ts";
import { untilFilesSettle } from "./settled-files.ts";
import { multusWasm, type Subject, unit } from "./subjects.ts";

const resourceName = "example.com/vf";
/** With the cluster network, which has no device. */
const networksOfPods = [2, 5];

/** Names of the subjects; the first is what the other is compared with. */
export const withoutDevices = "without devices";
export const withDevices = "with devices";

/**
 * A kubelet's socket answers from a process of its own, and each device has its information file, as those of SR-IOV's device plugin.
 * @param rounds measured runs of each subject per case
 * @returns of the pods with devices `units` and `share` are against those without
 */
export async function benchDevices(rounds: number, progress: Progress): Promise<AttachReport> {
  await using resources = new AsyncDisposableStack();
  const scratch = resources.use(new ScratchDirectory("devices"));
  const podResourcesSocket = join(scratch.path, "kubelet.sock");
  const deviceInfoDir = join(scratch.path, "devinfo");
  mkdirSync(join(deviceInfoDir, "dp"), { recursive: true });
  const daemonConfig = {
    logLevel: "panic",
    podResourcesSocket,
    devicePluginsDir: scratch.path,
    deviceInfoDir,
  };
  const { node, runner } = resources.use(await BenchNode.start({ daemonConfig }));

  const ids = Array.from({ length: Math.max(...networksOfPods) }, (_, index) => `0000:03:02.${index}`);
  for (const id of ids) {
    const info = { type: "pci", version: "1.1.0", pci: { "pci-address": id } };
    writeFileSync(join(deviceInfoDir, "dp", `example.com-vf-${id}-device.json`), JSON.stringify(info));
  }
  const podName = (prefix: string, count: number) => `bench-${prefix}-${count}`;
  const devicesOf = (count: number) =>
    ids.slice(0, count - 1).map((id) => ({ resource_name: resourceName, device_ids: [id] }));
  const pods = networksOfPods.flatMap((count): PodOfKubelet[] => [
    { name: podName("plain", count), namespace: "default", containers: [{ name: "app" }] },
    {
      name: podName("vf", count),
      namespace: "default",
      containers: [{ name: "app", devices: devicesOf(count) }],
    },
  ]);
  await startKubelet(podResourcesSocket, pods, resources);
  const report = { rows: [] as AttachRow[], units: {} as Record<string, number>, judged: [] as Judged[] };
  const total = networksOfPods.reduce((sum, count) => sum + (rounds + warmUps) * (count + 1), 0);
  const counted = new Rounds(progress, total);
  for (const count of networksOfPods) {
    const subjects: Subject[] = [];
    for (const name of [withoutDevices, withDevices]) {
      const prefix = name === withDevices ? "vf" : "plain";
      const networks = freeNetworks(count).map((network) => ({
        ...network,
        name: `${prefix}-${network.name}`,
      }));
      for (const { name: network, config } of networks.slice(1)) {
        const annotations = name === withDevices ? { "k8s.v1.cni.cncf.io/resourceName": resourceName } : {};
        node.writeNetwork(`default/${network}`, { ...config, name: network }, annotations);
      }
      const pod = await node.pod(podName(prefix, count), selection(networks));
      subjects.push(multusWasm({ node, runner, pod }, name, networks, { annotationsFrom: "request" }));
    }
    subjects.push(unit({ node, runner, pod: await node.pod(podName("unit", count)) }));
    await untilFilesSettle(node);
    const what = countText(count - 1, "network");
    if (report.rows.length === 0) {
      await interleave(subjects, Math.ceil(podsBefore / subjects.length), () =>
        counted.begin(`${what}, warm-up`),
      );
    }
    const series = await interleave(subjects, rounds, () => counted.ended(what, count + 1));
    report.rows.push(...rows("free", count, series, withoutDevices));
    report.units[count] = unitOf(series);
    const devices = count - 1;
    if (devices === 1) continue;
    for (const command of commands) {
      const { of, less, base } = overInUnits(series, command, withDevices, withoutDevices);
      report.judged.push({
        bound: "devices",
        what: `${command} with ${devices} devices, for each`,
        measured: { of, ...(less === undefined ? {} : { less }), base: base.map((time) => time * devices) },
      });
    }
  }
  return report;
}

async function startKubelet(
  socket: string,
  pods: readonly PodOfKubelet[],
  resources: AsyncDisposableStack,
): Promise<void> {
  const program = join(import.meta.dirname, "kubelet.ts");
  const kubelet = spawn(process.execPath, [program, socket, JSON.stringify(pods)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(kubelet, "close");
  resources.defer(async () => {
    kubelet.stdin.end();
    await ended;
  });
  await Promise.race([
    once(kubelet.stdout, "data"),
    ended.then(() => Promise.reject(new Error("the kubelet's socket of the benchmark ended"))),
  ]);
}
