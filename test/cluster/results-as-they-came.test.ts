/**
 * Results as real clusters' plugins print them, in the cluster network's place on a real node: Amazon's VPC CNI with state in an interface of its own, Calico with the host's end of a
 * link alone, a plugin of 0.2.0; beside each a network whose plugin says nothing, and one whose definition names no cniVersion. Pods run, their status tells of every attachment, and DEL
 * gets the very bytes that the plugin printed.
 */

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { podManifest } from "../support/cluster/manifests.ts";
import { ClusterNode, networksAnnotation as networks, nodeName, runtimes } from "../support/cluster/node.ts";
import { debianPlugins } from "../support/test-node.ts";

/** Output of the plugins: `IP` and `NETNS` stand for the address and the namespace. */
const printed = {
  eks: {
    cniVersion: "0.4.0",
    result:
      '{ "cniVersion": "0.4.0", "interfaces": [{"name": "eni0a1b2c"}, {"name": "eth0", "sandbox": "NETNS"}, {"name": "dummy0a1b2c", "mac": "0", "sandbox": "0"}], "ips": [{"version": "4", "interface": 1, "address": "IP"}], "dns": {}, "later": 18446744073709551615 }',
    status: [
      { interface: "eth0", hasIps: true },
      { interface: "dummy0a1b2c", mac: "0" },
    ],
  },
  calico: {
    cniVersion: "1.0.0",
    result: '{"cniVersion":  "1.0.0","interfaces":[{"name":"cali0a1b2c3d4e5"}],"ips":[{"address":"IP"}]}',
    status: [{ hasIps: true }],
  },
  old: {
    cniVersion: "0.2.0",
    result: '{"cniVersion": "0.2.0", "ip4": {"ip": "IP"}, "dns": {}}',
    status: [{ interface: "eth0", hasIps: true }],
  },
} as const;

/** Debian's bridge does the work; the answer is the one that a test wants, and the stdin of a DEL is kept. */
function plugin(result: string, keptIn: string): string {
  const text = result.replace("NETNS", "'\"$CNI_NETNS\"'").replace("IP", "'\"$ip\"'");
  return `#!/bin/sh
given=$(cat)
answer=$(printf %s "$given" | ${debianPlugins}/bridge) || { printf %s "$answer"; exit 1; }
case $CNI_COMMAND in
ADD)
	ip=$(printf %s "$answer" | grep -Eo '[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+/[0-9]+' | head -n 1)
	printf %s '${text}' | tee ${keptIn}/result ;;
DEL) printf %s "$given" >${keptIn}/del-stdin ;;
*) printf %s "$answer" ;;
esac
`;
}

/** A plugin that makes nothing, and says that it is of 1.0.0. */
function silentPlugin(keptIn: string): string {
  return `#!/bin/sh
given=$(cat)
case $CNI_COMMAND in
ADD) printf %s '{"cniVersion": "1.0.0" }' | tee ${keptIn}/result ;;
DEL) printf %s "$given" >${keptIn}/del-stdin ;;
esac
`;
}

describe.each(runtimes)("a node with $about", (options) => {
  let node: ClusterNode;
  const keptOf = (name: string) => join(node.directory, `kept-${name}`);
  const kept = (name: string, file: string) => readFileSync(join(keptOf(name), file), "utf8");

  beforeAll(async () => {
    node = await ClusterNode.start(options);
    for (const name of [...Object.keys(printed), "silent"]) mkdirSync(keptOf(name));
    for (const [index, [name, { cniVersion, result }]] of Object.entries(printed).entries()) {
      await node.network.ip("link", "add", `br-${name}`, "type", "bridge");
      node.installPlugin(`like-${name}`, plugin(result, keptOf(name)));
      const ipam = { type: "host-local", dataDir: node.ipamDir, subnet: `10.14${index}.0.0/24` };
      const bridge = { cniVersion, type: `like-${name}`, bridge: `br-${name}`, isGateway: true, ipam };
      await node.applyNetwork("kube-system", name, bridge);
    }
    node.installPlugin("silent", silentPlugin(keptOf("silent")));
    await node.applyNetwork("default", "silent", { cniVersion: "1.0.0", type: "silent" });
    const { cniVersion: _named, ipam: _given, ...withoutVersion } = node.macvlan([]);
    await node.applyNetwork("default", "l2", withoutVersion);
  });

  afterAll(() => node?.[Symbol.asyncDispose]());

  test.each(Object.entries(printed))("%s", async (name, { cniVersion, status }) => {
    const before = await node.traces();
    const annotations = { [networks]: "silent,l2", "v1.multus-cni.io/default-network": name };
    await node.apply(podManifest({ namespace: "default", name, annotations, nodeName }));
    const pod = await node.waitForPod("default", name);
    const ips = pod.status.podIPs?.map(({ ip }) => ip) ?? [];
    expect(ips).toHaveLength(1);

    const written = await node.waitForNetworkStatus("default", name);
    const own = status.map(
      ({ hasIps, ...entry }: { hasIps?: boolean; interface?: string; mac?: string }) => ({
        name: `kube-system/${name}`,
        ...entry,
        ...(hasIps ? { ips, default: true } : {}),
        dns: {},
      }),
    );
    const [silent, l2] = written.slice(own.length);
    expect(written.slice(0, own.length)).toEqual(own);
    expect(silent).toEqual({ name: "default/silent", interface: "net1", dns: {} });
    expect(l2).toMatchObject({
      name: "default/l2",
      interface: "net2",
      mac: expect.stringMatching(/^[\da-f:]{17}$/),
    });
    expect(written).toHaveLength(own.length + 2);

    // The result cache has it byte for byte.
    const results = join(node.cniDir, "results");
    const cached = readdirSync(results).filter((file) => file.startsWith(`${name}-`));
    expect(cached).toHaveLength(1);
    expect(readFileSync(join(results, String(cached[0])), "utf8")).toContain(
      `"result":${kept(name, "result").trim()}`,
    );

    await node.deletePods("default", name);
    await node.untilNothingIsLeft(before);
    const prevResultOf = (which: string) => `"prevResult":${kept(which, "result").trim()}`;
    expect(kept("silent", "del-stdin")).toContain(prevResultOf("silent"));
    // Below 0.4.0 the spec has no prevResult at DEL.
    if (cniVersion === "0.2.0") expect(kept(name, "del-stdin")).not.toContain("prevResult");
    else expect(kept(name, "del-stdin")).toContain(prevResultOf(name));
  });
});
