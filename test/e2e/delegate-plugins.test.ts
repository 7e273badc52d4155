/** Debian's plugins and IPAM plugins as a pod's further network, in every spec version that they and we speak. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { traces } from "../support/leaks.ts";
import { cidrs, type Link } from "../support/namespace.ts";
import { masterLink, TestNode } from "../support/test-node.ts";
import { EchoServer, seenAs } from "../support/traffic.ts";

type Json = Readonly<Record<string, unknown>>;

interface Case {
  readonly about: string;
  /** The NAD's configuration without name and cniVersion. */
  readonly config: (node: TestNode) => Json;
  /** Further members of the selection. */
  readonly selection?: Json;
  readonly kind: string;
  readonly address: RegExp;
  /** An address outside of the pod that must be reached through the network. */
  readonly reaches?: string;
  readonly further?: (link: Link) => void;
}

const cases: readonly Case[] = [
  {
    about: "macvlan with host-local",
    config: (node) => ({
      type: "macvlan",
      master: masterLink,
      mode: "bridge",
      ipam: node.hostLocal("10.81.0.0/24"),
    }),
    kind: "macvlan",
    address: /^10\.81\.0\.\d+\/24$/,
  },
  {
    about: "ptp with host-local",
    config: (node) => ({ type: "ptp", ipMasq: true, mtu: 1400, ipam: node.hostLocal("10.82.0.0/24") }),
    kind: "veth",
    address: /^10\.82\.0\.\d+\/24$/,
    reaches: "10.82.0.1",
    further: (link) => expect(link.mtu).toBe(1400),
  },
  {
    about: "bridge with static addresses",
    config: () => ({
      type: "bridge",
      bridge: "cni1",
      ipam: { type: "static", addresses: [{ address: "10.83.0.7/24" }, { address: "fd83::7/64" }] },
    }),
    kind: "veth",
    address: /^10\.83\.0\.7\/24$/,
    further: (link) => expect(cidrs(link, "inet6")).toEqual(["fd83::7/64"]),
  },
  {
    about: "macvlan with static IPAM and the addresses that the selection asks for",
    config: () => ({
      type: "macvlan",
      master: masterLink,
      mode: "bridge",
      capabilities: { ips: true },
      ipam: { type: "static" },
    }),
    selection: { ips: ["10.84.0.9/24"] },
    kind: "macvlan",
    address: /^10\.84\.0\.9\/24$/,
  },
  {
    about: "a chain with tuning, MAC from the selection",
    config: (node) => ({
      plugins: [
        { type: "macvlan", master: masterLink, mode: "bridge", ipam: node.hostLocal("10.85.0.0/24") },
        {
          type: "tuning",
          mtu: 1300,
          capabilities: { mac: true },
          sysctl: { "net.core.somaxconn": "512" },
        },
      ],
    }),
    selection: { mac: "c2:b0:57:49:47:f1" },
    kind: "macvlan",
    address: /^10\.85\.0\.\d+\/24$/,
    further: (link) => expect([link.address, link.mtu]).toEqual(["c2:b0:57:49:47:f1", 1300]),
  },
  {
    about: "a chain with bandwidth, as the selection asks: no plan keeps it, and CHECK needs it",
    config: (node) => ({
      plugins: [
        { type: "ptp", ipam: node.hostLocal("10.86.0.0/24") },
        { type: "bandwidth", capabilities: { bandwidth: true } },
      ],
    }),
    selection: { bandwidth: { ingressRate: 1e6, ingressBurst: 1e5, egressRate: 1e6, egressBurst: 1e5 } },
    kind: "veth",
    address: /^10\.86\.0\.\d+\/24$/,
  },
];

describe.each(["0.3.1", "0.4.0", "1.0.0"])("networks at %s", (cniVersion) => {
  let node: TestNode;
  let netconf: Json;

  beforeAll(async () => {
    node = await TestNode.start();
    for (const [index, { config }] of cases.entries()) {
      node.writeNetwork(`default/net-${index}`, { cniVersion, name: `net-${index}`, ...config(node) });
    }
    netconf = node.netconf(
      {
        cniVersion,
        name: "cluster",
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipam: node.hostLocal("10.80.0.0/24"),
      },
      { cniVersion },
    );
    await node.network.ip("link", "add", "cni0", "type", "bridge");
    await node.network.ip("link", "add", "cni1", "type", "bridge");
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  test.each(cases.map((value, index) => ({ ...value, index })))("$about", async (value) => {
    const before = await traces(node);
    const selection = JSON.stringify([{ name: `net-${value.index}`, ...value.selection }]);
    await using pod = await node.pod("client", selection);
    const { result } = await node.call("ADD", pod, netconf);
    expect(result.cniVersion).toBe(cniVersion);
    expect(result.interfaces?.find(({ sandbox }) => sandbox)?.name).toBe("eth0");

    const link = await pod.network.link("net1");
    expect(link.linkinfo?.info_kind).toBe(value.kind);
    expect(cidrs(link)).toEqual([expect.stringMatching(value.address)]);
    value.further?.(link);
    if (value.reaches !== undefined) {
      await using _server = await EchoServer.start(node.network, 8080, value.reaches);
      expect(`${await seenAs(pod.network, value.reaches, 8080)}/24`).toMatch(value.address);
    }

    const check = await node.call("CHECK", pod, netconf);
    // CHECK came with 0.4.0.
    if (cniVersion === "0.3.1") expect(check.error.code).toBe(1);
    else check.expectSuccess();

    (await node.call("DEL", pod, netconf)).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await pod.network.links()).toEqual([]);
    expect(await traces(node)).toEqual(before);
  });

  test("a list without IPAM whose plugins have few keys: the host's link comes back", async () => {
    node.writeNetwork("default/card", {
      cniVersion,
      name: "card",
      // Shorter than what a plan in Go's form keeps of it, which has an `ipam` for each.
      plugins: [
        { type: "host-device", device: "card0" },
        { type: "tuning", mtu: 1300 },
        { type: "tuning" },
        { type: "tuning" },
      ],
    });
    await node.network.ip("link", "add", "card0", "type", "veth", "peer", "name", "card1");
    await using pod = await node.pod("client", "card");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    expect((await pod.network.link("net1")).mtu).toBe(1300);
    if (cniVersion !== "0.3.1") {
      const withPlugins = { ...netconf, checkDelegates: "all" };
      (await node.call("CHECK", pod, withPlugins)).expectSuccess();
      await pod.network.ip("link", "set", "net1", "mtu", "1400");
      expect((await node.call("CHECK", pod, withPlugins)).error.msg).toMatch(/tuning.*MTU/);
    }
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await pod.network.links()).toEqual([]);
    expect((await node.network.link("card0")).ifname).toBe("card0");
    await node.network.ip("link", "del", "card0");
  });
});
