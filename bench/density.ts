/** A node that fills up at once: many pods with several networks each, added all together and removed all together. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Pod, TestNode } from "../test/support/test-node.ts";
import { realNetworks } from "./networks.ts";

export interface DensityReport {
  readonly pods: number;
  readonly networks: number;
  /** First call to last answer. */
  readonly addSeconds: number;
  readonly delSeconds: number;
  /** The daemon's resident memory, MB: before, the most it ever had, and 5 s after the last DEL. */
  readonly idleMegabytes: number;
  readonly peakMegabytes: number;
  readonly afterMegabytes: number;
}

/** @throws {Error} if an ADD or DEL fails, or an address is given twice */
export async function benchDensity(pods: number, networks: number): Promise<DensityReport> {
  await using node = await TestNode.start({ daemonConfig: { logLevel: "panic" } });
  const [cluster, ...selected] = realNetworks(networks, node.ipamDir);
  if (cluster === undefined) throw new Error("at least one network is needed");
  for (const { name, config } of selected) node.writeNetwork(`default/${name}`, config);
  await sleep(500);
  const netconf = node.netconf(cluster.config);
  const annotation = selected.map(({ name }) => name).join(",");
  const all: Pod[] = [];
  for (let index = 0; index < pods; index++) all.push(await node.pod(`density-${index}`, annotation));
  const idle = node.daemon.memory().resident;
  const timed = async (command: "ADD" | "DEL") => {
    const start = performance.now();
    const answers = await Promise.all(all.map((pod) => node.call(command, pod, netconf)));
    return { answers, seconds: (performance.now() - start) / 1000 };
  };
  const add = await timed("ADD");
  const addresses = add.answers.flatMap((answer) => (answer.result.ips ?? []).map(({ address }) => address));
  if (new Set(addresses).size !== pods)
    throw new Error(`${pods} pods got ${new Set(addresses).size} addresses`);
  const del = await timed("DEL");
  for (const answer of del.answers) answer.expectSuccess();
  await sleep(5000);
  const { resident, peak } = node.daemon.memory();
  return {
    pods,
    networks,
    addSeconds: add.seconds,
    delSeconds: del.seconds,
    idleMegabytes: idle / 1024,
    peakMegabytes: peak / 1024,
    afterMegabytes: resident / 1024,
  };
}
