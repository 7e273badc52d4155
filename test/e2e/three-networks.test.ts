/** The whole way of a pod: cluster network and two macvlan networks through shim, daemon and Debian's plugins; ADD, CHECK, traffic, DEL, nothing left. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { traces } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";
import { masterLink, TestNode } from "../support/test-node.ts";
import { EchoServer, seenAs } from "../support/traffic.ts";

describe.each(["0.4.0", "1.0.0"])("bridge and two macvlan networks at %s", (cniVersion) => {
  let node: TestNode;
  let clusterNetwork: Readonly<Record<string, unknown>>;
  let netconf: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start();
    for (const [name, subnet] of [
      ["storage", "10.71.0.0/24"],
      ["video", "10.72.0.0/24"],
    ] as const) {
      node.writeNetwork(`default/${name}`, {
        cniVersion,
        name,
        type: "macvlan",
        master: masterLink,
        mode: "bridge",
        ipam: node.hostLocal(subnet),
      });
    }
    node.writeNetwork("default/uplink", {
      cniVersion,
      name: "uplink",
      type: "macvlan",
      master: masterLink,
      mode: "bridge",
      ipam: node.hostLocal("10.73.0.0/24", [{ dst: "0.0.0.0/0" }]),
    });
    clusterNetwork = {
      cniVersion,
      name: "cluster",
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipMasq: true,
      ipam: node.hostLocal("10.70.0.0/24", [{ dst: "0.0.0.0/0" }]),
    };
    netconf = node.netconf(clusterNetwork, { cniVersion });
    // The bridge stays when its last pod goes: make it, so that before and after can be compared.
    await using pod = await node.pod("first");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  test.each(["first run", "second run"])(
    "gives two pods their networks and takes them away, %s",
    async () => {
      const before = await traces(node);
      await using pod = await node.pod("web", "storage, video@vid0");
      await using other = await node.pod("db", "storage,video");

      const answer = await node.call("ADD", pod, netconf);
      expect(answer.result.cniVersion).toBe(cniVersion);
      (await node.call("ADD", other, netconf)).expectSuccess();

      const links = await pod.network.links();
      expect(links.map(({ ifname }) => ifname)).toEqual(["eth0", "net1", "vid0"]);
      expect(links.map(({ linkinfo }) => linkinfo?.info_kind)).toEqual(["veth", "macvlan", "macvlan"]);
      const [eth0 = "", net1 = "", vid0 = ""] = links.flatMap((link) => cidrs(link));
      expect(answer.result.ips?.map(({ address }) => address)).toEqual([eth0]);
      expect(eth0).toMatch(/^10\.70\.0\.\d+\/24$/);
      expect(net1).toMatch(/^10\.71\.0\.\d+\/24$/);
      expect(vid0).toMatch(/^10\.72\.0\.\d+\/24$/);
      const address = (cidr: string) => cidr.split("/")[0] ?? "";
      expect((await traces(node)).reservations).toEqual(
        expect.arrayContaining([
          `cluster/${address(eth0)}`,
          `storage/${address(net1)}`,
          `video/${address(vid0)}`,
        ]),
      );

      (await node.call("CHECK", pod, netconf)).expectSuccess();

      const server = await EchoServer.start(pod.network, 8080);
      for (const [ifName, target] of [
        ["eth0", eth0],
        ["net1", net1],
        ["net2", vid0],
      ] as const) {
        const own = address(cidrs(await other.network.link(ifName))[0] ?? "");
        expect(await seenAs(other.network, address(target), 8080, own)).toBe(own);
      }
      expect(await seenAs(node.network, address(eth0), 8080)).toBe("10.70.0.1");
      await server[Symbol.asyncDispose]();

      for (const gone of [pod, other]) {
        for (const time of ["first", "second"]) {
          const del = await node.call("DEL", gone, netconf);
          expect(del.expectSuccess().stdout, `${time} DEL`).toBe("");
        }
        expect(await gone.network.links()).toEqual([]);
      }
      expect(await traces(node)).toEqual(before);
    },
  );

  test("CHECK says which network has lost its link", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage,video");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    await pod.network.ip("link", "del", "net2");
    expect((await node.call("CHECK", pod, netconf)).error.msg).toMatch(/video/);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("a default route asked for replaces the cluster network's", async () => {
    const before = await traces(node);
    await using pod = await node.pod(
      "router",
      JSON.stringify([{ name: "storage" }, { name: "video", "default-route": ["10.72.0.1"] }]),
    );
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const routes = await pod.network.routes();
    expect(routes.filter(({ dst }) => dst === "default")).toEqual([
      expect.objectContaining({ gateway: "10.72.0.1", dev: "net2" }),
    ]);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("an empty default-route takes nothing away on a network without one", async () => {
    const before = await traces(node);
    await using pod = await node.pod("kept", JSON.stringify([{ name: "storage", "default-route": [] }]));
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const routes = await pod.network.routes();
    expect(routes.filter(({ dst }) => dst === "default")).toEqual([
      expect.objectContaining({ gateway: "10.70.0.1", dev: "eth0" }),
    ]);
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("an empty default-route gives the pod the network's own in place of the cluster network's", async () => {
    const before = await traces(node);
    await using pod = await node.pod("uplink", JSON.stringify([{ name: "uplink", "default-route": [] }]));
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const routes = await pod.network.routes();
    expect(routes.filter(({ dst }) => dst === "default")).toEqual([
      expect.objectContaining({ gateway: "10.73.0.1", dev: "net1" }),
    ]);
    (await node.call("CHECK", pod, netconf)).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("DEL many times at once, most without a namespace, takes everything away", async () => {
    const before = await traces(node);
    await using pod = await node.pod("web", "storage,video");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        node.call("DEL", pod, netconf, index === 4 ? {} : { netns: "" }),
      ),
    );
    for (const answer of answers) answer.expectSuccess();
    await pod[Symbol.asyncDispose]();
    expect(await traces(node)).toEqual(before);
  });

  test("DEL after the namespace has gone takes the reservations away", async () => {
    // Without masquerading: bridge itself leaves that rule when it can't ask the namespace for the address.
    const withoutMasquerade = node.netconf({ ...clusterNetwork, ipMasq: false }, { cniVersion });
    const before = await traces(node);
    const pod = await node.pod("web", "storage,video");
    (await node.call("ADD", pod, withoutMasquerade)).expectSuccess();
    await pod[Symbol.asyncDispose]();
    (await node.call("DEL", pod, withoutMasquerade)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });
});
