/** A selection's default-route moves the default route within the pod, one family and not the other. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { ClusterNode } from "../support/cluster/node.ts";

let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start();
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24", "fd13::/64"]));
  await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
});

afterAll(() => node?.[Symbol.asyncDispose]());

const clusterNetwork = { 4: ["eth0 10.120.0.1"], 6: ["eth0 fd12::1"] };

const selections = [
  { about: "none", gateways: undefined, routes: clusterNetwork },
  { about: "IPv4", gateways: ["10.130.0.1"], routes: { 4: ["net1 10.130.0.1"], 6: clusterNetwork[6] } },
  { about: "IPv6", gateways: ["fd13::1"], routes: { 4: clusterNetwork[4], 6: ["net1 fd13::1"] } },
  {
    about: "both",
    gateways: ["10.130.0.1", "fd13::1"],
    routes: { 4: ["net1 10.130.0.1"], 6: ["net1 fd13::1"] },
  },
];

test.each(selections)("default-route of a selection: $about", async ({ about, gateways, routes }) => {
  const before = await node.traces();
  const name = `routes-${about.toLowerCase()}`;
  const networks = [{ name: "storage", ...(gateways && { "default-route": gateways }) }, { name: "video" }];
  await node.applyPod("default", name, JSON.stringify(networks));
  await node.waitForPod("default", name);
  const seen = async (family: 4 | 6) =>
    (await node.podDefaultRoutes("default", name, family)).map(({ dev, gateway }) => `${dev} ${gateway}`);
  expect(await seen(4)).toEqual(routes[4]);
  expect(await seen(6)).toEqual(routes[6]);

  // The status says the same.
  const status = await node.waitForNetworkStatus("default", name);
  const said = status.flatMap(({ interface: ifName, gateway }) =>
    Array.isArray(gateway) ? gateway.map((address) => `${ifName} ${address}`) : [],
  );
  expect(said.sort()).toEqual([...routes[4], ...routes[6]].sort());
  await node.deletePods("default", name);
  await node.untilNothingIsLeft(before);
});
