/** The IPAM plugin whereabouts, which keeps its addresses in the API: many pods at once, and its reconciler, which reads our network-status. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode } from "../support/cluster/node.ts";
import { type IpPool, Whereabouts } from "../support/cluster/whereabouts.ts";
import { cidrs } from "../support/namespace.ts";

/** Pods wait for each other: the plugin gives one address after the other, each under a lease of its own. */
const patienceMs = 300_000;

let node: ClusterNode;
let whereabouts: Whereabouts;

beforeAll(async () => {
  node = await ClusterNode.start({ containerd: "2.4", cniVersion: "1.1.0" });
  whereabouts = await Whereabouts.install(node);
  await node.applyNetwork(
    "default",
    "storage",
    node.macvlan([], { ipam: whereabouts.ipam("10.140.0.0/24") }),
  );
  await node.applyNetwork("default", "video", node.macvlan([], { ipam: whereabouts.ipam("10.141.0.0/24") }));
});

afterAll(async () => {
  // Sandboxes are removed with the node, by the plugin, which asks the API once more.
  await node?.[Symbol.asyncDispose]();
  await whereabouts?.[Symbol.asyncDispose]();
});

/** Address and pod of each allocation, sorted: `10.140.0.1 default/web`. */
function allocated(pools: readonly IpPool[]): string[] {
  return pools
    .flatMap(({ spec: { range, allocations } }) => {
      const network = range.slice(0, range.lastIndexOf("."));
      return Object.entries(allocations).map(([index, { podref }]) => `${network}.${index} ${podref}`);
    })
    .sort();
}

test("twenty pods of two networks at once: no address is given twice, none in use is taken back, all are free afterwards", async () => {
  const before = await node.traces();
  const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
  await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
  await node.until(
    "twenty pods to run",
    async () => {
      const pods = await node.pods("default");
      return pods.length === names.length && pods.every(({ status }) => status.phase === "Running");
    },
    patienceMs,
  );
  const given = await Promise.all(
    names.map(async (name) => {
      const [, ...networks] = await node.waitForNetworkStatus("default", name);
      const [, ...links] = await node.podLinks("default", name);
      const addresses = links.flatMap((link) => cidrs(link)).map((cidr) => cidr.slice(0, cidr.indexOf("/")));
      expect(networks.flatMap(({ ips }) => ips)).toEqual(addresses);
      return addresses.map((address) => `${address} default/${name}`);
    }),
  );
  expect(given.map((addresses) => addresses.length)).toEqual(names.map(() => 2));
  const inUse = given.flat().sort();
  expect(new Set(inUse.map((line) => line.split(" ")[0])).size).toBe(inUse.length);
  const pools = await whereabouts.pools();
  expect(allocated(pools)).toEqual(inUse);

  for (const pool of pools) await whereabouts.addOrphan(pool, "200");
  const orphans = ["10.140.0.200 default/gone", "10.141.0.200 default/gone"];
  expect(allocated(await whereabouts.pools())).toEqual([...inUse, ...orphans].sort());
  const reconciler = await whereabouts.startReconciler();
  try {
    await node.until("the reconciler to free what no pod has", async () => {
      const now = allocated(await whereabouts.pools());
      return orphans.every((orphan) => !now.includes(orphan));
    });
  } finally {
    // Of the pods that go now it would free the addresses itself.
    await reconciler.stop();
  }
  expect(allocated(await whereabouts.pools())).toEqual(inUse);
  expect(await whereabouts.reservations()).toHaveLength(inUse.length);

  await node.deletePods("default", ...names);
  await node.untilNothingIsLeft(before);
  expect(allocated(await whereabouts.pools())).toEqual([]);
  expect(await whereabouts.reservations()).toEqual([]);
});
