/** The classic cluster network, flannel + portmap + bandwidth at 0.3.1, with a port mapping and a bandwidth limit: traffic passes, rules and queues go. */

import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runOrThrow } from "../support/command.ts";
import { buildFlannel } from "../support/flannel.ts";
import { type Traces, traces } from "../support/leaks.ts";
import { cidrs, Namespace } from "../support/namespace.ts";
import { masterLink, TestNode } from "../support/test-node.ts";
import { EchoServer, seenAs } from "../support/traffic.ts";

/** Bits per second, and bits. */
const bandwidth = {
  ingressRate: 8_000_000,
  ingressBurst: 800_000,
  egressRate: 4_000_000,
  egressBurst: 400_000,
};

/** portmap's own top-level chains, what is in them and the jumps to them stay for the next pod, by its design. */
function withoutPortmapFrame(found: Traces): Traces {
  return {
    ...found,
    rules: found.rules.filter(
      (rule) =>
        !/^:CNI-HOSTPORT-/.test(rule) &&
        !/-j CNI-HOSTPORT-(DNAT|MASQ)$/.test(rule) &&
        !/^-A CNI-HOSTPORT-(MASQ|SETMARK) /.test(rule),
    ),
  };
}

describe("flannel, portmap and bandwidth at 0.3.1", () => {
  let node: TestNode;
  /** A machine next to the node, for which the host port is. */
  let neighbour: Namespace;
  let netconf: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start();
    neighbour = await Namespace.create("next");
    copyFileSync(await buildFlannel(), join(node.binDir, "flannel"));
    const subnetFile = join(node.directory, "subnet.env");
    writeFileSync(
      subnetFile,
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n",
    );
    await node.network.ip(
      "link",
      "add",
      "lan0",
      "type",
      "veth",
      "peer",
      "name",
      "lan0",
      "netns",
      neighbour.name,
    );
    await node.network.ip("addr", "add", "192.0.2.1/24", "dev", "lan0");
    await neighbour.ip("addr", "add", "192.0.2.2/24", "dev", "lan0");
    await node.network.ip("link", "set", "lan0", "up");
    await neighbour.ip("link", "set", "lan0", "up");
    await node.network.ip("link", "add", "cni0", "type", "bridge");
    node.writeNetwork("default/storage", {
      cniVersion: "0.3.1",
      name: "storage",
      type: "macvlan",
      master: masterLink,
      ipam: node.hostLocal("10.11.0.0/24"),
    });
    netconf = node.netconf(
      {
        cniVersion: "0.3.1",
        name: "cbr0",
        plugins: [
          {
            type: "flannel",
            subnetFile,
            dataDir: join(node.directory, "flannel"),
            ipam: { type: "host-local", dataDir: node.ipamDir },
            delegate: { hairpinMode: true, isDefaultGateway: true },
          },
          { type: "portmap", capabilities: { portMappings: true } },
          { type: "bandwidth", capabilities: { bandwidth: true } },
        ],
      },
      {
        cniVersion: "0.3.1",
        capabilities: { portMappings: true, bandwidth: true, "io.kubernetes.cri.pod-annotations": true },
        runtimeConfig: {
          portMappings: [{ hostPort: 18_080, containerPort: 8080, protocol: "tcp" }],
          bandwidth,
        },
      },
    );
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
    await neighbour?.[Symbol.asyncDispose]();
  });

  test.each(["first run", "second run"])("serves a port of the node at a limited rate, %s", async () => {
    const before = withoutPortmapFrame(await traces(node));
    expect(before.qdiscs).toEqual([]);
    await using pod = await node.pod("web", "storage");
    const { result } = await node.call("ADD", pod, netconf);
    expect(result.cniVersion).toBe("0.3.1");
    const [address = ""] = cidrs(await pod.network.link("eth0"));
    expect(address).toMatch(/^10\.244\.7\.\d+\/24$/);
    expect(result.ips?.map((ip) => ip.address)).toEqual([address]);
    expect((await pod.network.link("eth0")).mtu).toBe(1450);
    expect(await pod.network.routes()).toContainEqual(
      expect.objectContaining({ dst: "default", gateway: "10.244.7.1", dev: "eth0" }),
    );

    const server = await EchoServer.start(pod.network, 8080);
    const ip = address.split("/")[0] ?? "";
    expect(await seenAs(node.network, ip, 8080)).toBe("10.244.7.1");
    expect(await seenAs(neighbour, "192.0.2.1", 18_080)).toBe("192.0.2.2");
    await server[Symbol.asyncDispose]();

    const during = await traces(node);
    expect(during.rules.filter((rule) => rule.includes("18080"))).not.toEqual([]);
    const limits: readonly { readonly options: { readonly rate?: number } }[] = JSON.parse(
      await runOrThrow(node.network.enter("tc", "-j", "qdisc", "show")),
    );
    // tc prints bytes per second.
    expect(limits.flatMap(({ options }) => options.rate ?? []).sort((a, b) => a - b)).toEqual([
      bandwidth.egressRate / 8,
      bandwidth.ingressRate / 8,
    ]);

    for (const time of ["first", "second"]) {
      const answer = await node.call("DEL", pod, netconf);
      expect(answer.exitCode, `${time} DEL: ${answer.stdout}`).toBe(0);
    }
    expect(await pod.network.links()).toEqual([]);
    expect(withoutPortmapFrame(await traces(node))).toEqual(before);
  });
});
