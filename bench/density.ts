/** Measures a node of a real cluster that fills up at once: many pods with several networks each, added and removed simultaneously. */

import { setTimeout as sleep } from "node:timers/promises";
import { type PluginCall, podArgs } from "../test/support/plugin.ts";
import { type Pod, TestNode } from "../test/support/test-node.ts";
import { BenchCluster, clusterStarts } from "./cluster.ts";
import type { Judged } from "./gate.ts";
import { type BenchNetwork, realNetworks, selection } from "./networks.ts";
import { type Progress, Rounds } from "./progress.ts";

export interface DensityReport {
  readonly pods: number;
  readonly networks: number;
  /** First call to last answer. */
  readonly addSeconds: number;
  readonly delSeconds: number;
  /** From the last answer of ADD until the last network-status is in the API. */
  readonly statusSeconds: number;
  /** The daemon's resident memory, MB: before, the most it ever had, and 5 s after the last DEL. */
  readonly idleMegabytes: number;
  readonly peakMegabytes: number;
  readonly afterMegabytes: number;
  readonly judged: readonly Judged[];
}

/** Of an attachment, as much as is looked at. */
interface StatusEntry {
  readonly name: string;
  readonly interface: string;
  readonly ips?: readonly string[];
}

/** A pod, and what its calls say beyond the usual. */
interface Placed {
  readonly pod: Pod;
  readonly further: Partial<PluginCall>;
}

/**
 * The pods are in the cluster, and their networks; the requests carry no annotations.
 * @throws {Error} if an ADD or DEL fails, an address is given twice, or a network-status is not right
 */
export async function benchDensity(
  pods: number,
  networks: number,
  progress: Progress,
): Promise<DensityReport> {
  await progress(clusterStarts, 0);
  await using cluster = await BenchCluster.start();
  // Half of the way is that they are there, and quicker than the rest.
  const counted = new Rounds(progress, 2 * pods);
  await using node = await TestNode.start(await cluster.nodeOptions());
  const all = realNetworks(networks, node.ipamDir);
  const [clusterNetwork, ...selected] = all;
  if (clusterNetwork === undefined) throw new Error("at least one network is needed");
  for (const { name, config } of selected) await cluster.api.createNetwork(name, config);
  await node.untilReady();
  const netconf = node.netconf(clusterNetwork.config, { capabilities: {} });
  const placed: Placed[] = [];
  for (let index = 0; index < pods; index++) {
    const pod = await node.pod(`density-${index}`, selection(all));
    await counted.ended(`pod ${index + 1} of ${pods}`);
    const inApi = await cluster.createPod(pod.name, pod.annotations);
    placed.push({
      pod,
      further: { args: podArgs({ ...inApi, containerId: pod.containerId }), config: netconf },
    });
  }
  const idle = node.daemon.memory().resident;
  const timed = async (command: "ADD" | "DEL") => {
    const start = performance.now();
    const answers = await Promise.all(
      placed.map(({ pod, further }) => node.call(command, pod, netconf, further)),
    );
    return { answers, seconds: (performance.now() - start) / 1000 };
  };
  await progress(`${pods} ADDs at once`, 0.5);
  const add = await timed("ADD");
  const answered = performance.now();
  const addresses = add.answers.map((answer) =>
    (answer.result.ips ?? []).map(({ address }) => address.split("/")[0] ?? ""),
  );
  const allArrived = await untilStatusesArrive(cluster, placed, all, addresses);
  if (new Set(addresses.flat()).size !== pods)
    throw new Error(`${pods} pods got ${new Set(addresses.flat()).size} addresses`);
  await progress(`${pods} DELs at once`, 0.75);
  const del = await timed("DEL");
  for (const answer of del.answers) answer.expectSuccess();
  await sleep(5000);
  const { resident, peak } = node.daemon.memory();
  return {
    pods,
    networks,
    addSeconds: add.seconds,
    delSeconds: del.seconds,
    statusSeconds: (allArrived - answered) / 1000,
    idleMegabytes: idle / 1024,
    peakMegabytes: peak / 1024,
    afterMegabytes: resident / 1024,
    judged: [{ bound: "memoryInCluster", what: `${pods} pods at once`, measured: peak / 1024 }],
  };
}

/**
 * @param addresses of each pod in its cluster network
 * @returns when the last one was there, on the clock of `performance.now()`
 * @throws {Error} where one does not come, or does not say what was attached
 */
async function untilStatusesArrive(
  { arrivals }: BenchCluster,
  placed: readonly Placed[],
  networks: readonly BenchNetwork[],
  addresses: readonly (readonly string[])[],
): Promise<number> {
  const statusOf = ({ pod }: Placed) => arrivals.of(pod.name).status;
  const at = await arrivals.until(`${placed.length} network-statuses`, () =>
    placed.every((one) => statusOf(one) !== undefined),
  );
  const wanted = networks.map(({ name }, index) =>
    index === 0 ? { name, interface: "eth0" } : { name: `default/${name}`, interface: `net${index}` },
  );
  const seen = placed.map((one) => JSON.parse(statusOf(one) ?? "") as readonly StatusEntry[]);
  for (const [index, status] of seen.entries()) {
    const told = status.map(({ name, interface: ifName }) => ({ name, interface: ifName }));
    const ips = status.map((entry) => entry.ips ?? []);
    if (
      JSON.stringify(told) !== JSON.stringify(wanted) ||
      JSON.stringify(ips[0]) !== JSON.stringify(addresses[index])
    ) {
      throw new Error(`the network-status of ${placed[index]?.pod.name} is wrong: ${JSON.stringify(status)}`);
    }
  }
  const given = seen.flatMap((status) => status.flatMap(({ ips }) => ips ?? []));
  if (new Set(given).size !== placed.length * networks.length) {
    throw new Error(`network-statuses name ${new Set(given).size} addresses`);
  }
  return at;
}
