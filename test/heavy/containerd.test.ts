/** A real containerd with our plugin as its only network: pod sandboxes over CRI get three networks by annotation, and nothing of them stays. */

import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runOrThrow } from "../support/command.ts";
import { Containerd } from "../support/containerd.ts";
import { traces } from "../support/leaks.ts";
import { cidrs, type Link } from "../support/namespace.ts";
import { mountsBelow } from "../support/session.ts";
import { debianPlugins, shim, TestNode } from "../support/test-node.ts";

/** Links of the network namespace that a process is in, without `lo`. */
async function linksOfProcess(pid: number): Promise<Link[]> {
  const links: Link[] = JSON.parse(
    await runOrThrow(["nsenter", `--net=/proc/${pid}/ns/net`, "--", "ip", "-j", "-d", "addr", "show"]),
  );
  return links.filter(({ ifname }) => ifname !== "lo");
}

/** Where containerd finds our plugin, loopback, which it runs itself, and `others` of Debian's. @returns the directory */
function runtimePlugins(node: TestNode, ...others: string[]): string {
  const directory = join(node.directory, "runtime-bin");
  mkdirSync(directory);
  copyFileSync(shim, join(directory, "multus"));
  for (const name of ["loopback", ...others]) copyFileSync(join(debianPlugins, name), join(directory, name));
  return directory;
}

const sandbox = (name: string, networks: string) => ({
  metadata: { name, uid: randomUUID(), namespace: "default" },
  annotations: { "k8s.v1.cni.cncf.io/networks": networks },
});

describe("containerd runs pod sandboxes", () => {
  let node: TestNode;
  let containerd: Containerd;

  beforeAll(async () => {
    node = await TestNode.start();
    await node.network.ip("link", "add", "cni0", "type", "bridge");
    for (const [index, name] of ["storage", "video", "backup"].entries()) {
      node.writeMacvlan(name, `10.13${index}.0.0/24`);
    }
    const configDirectory = join(node.directory, "runtime-net.d");
    mkdirSync(configDirectory);
    const netconf = node.netconf(
      {
        cniVersion: "1.0.0",
        name: "cluster",
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipam: {
          type: "host-local",
          dataDir: node.ipamDir,
          ranges: [[{ subnet: "10.120.0.0/24" }], [{ subnet: "fd12::/64" }]],
        },
      },
      { binDir: debianPlugins },
    );
    writeFileSync(join(configDirectory, "00-multus.conf"), JSON.stringify(netconf));
    containerd = await Containerd.start(
      join(node.directory, "cri"),
      node.network,
      // Ours finds the delegates in its binDir.
      runtimePlugins(node),
      configDirectory,
    );
  });

  afterAll(async () => {
    await containerd?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  test.each(["first run", "second run"])("with three networks by annotation, %s", async () => {
    const before = await traces(node);
    const mountsBefore = mountsBelow(node.directory);
    const id = await containerd.runPodSandbox(sandbox("web", "storage, video@vid0, default/backup"));

    const status = await containerd.podSandboxStatus(id);
    const links = await linksOfProcess(status.pid);
    expect(links.map(({ ifname }) => ifname)).toEqual(["eth0", "net1", "vid0", "net3"]);
    const [eth0] = links;
    if (eth0 === undefined) throw new Error("no eth0");
    const clusterAddresses = [...cidrs(eth0), ...cidrs(eth0, "inet6")].map((cidr) => cidr.split("/")[0]);
    expect(clusterAddresses).toHaveLength(2);
    expect(status.addresses).toEqual(clusterAddresses);
    expect(links.slice(1).flatMap((link) => cidrs(link))).toEqual([
      expect.stringMatching(/^10\.130\.0\.\d+\/24$/),
      expect.stringMatching(/^10\.131\.0\.\d+\/24$/),
      expect.stringMatching(/^10\.132\.0\.\d+\/24$/),
    ]);

    await containerd.stopPodSandbox(id);
    await containerd.stopPodSandbox(id);
    await containerd.removePodSandbox(id);
    expect(await traces(node)).toEqual(before);
    expect(mountsBelow(node.directory)).toEqual(mountsBefore);
  });

  test("twelve at once", async () => {
    const before = await traces(node);
    const ids = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        containerd.runPodSandbox(sandbox(`pod-${index}`, "storage,video")),
      ),
    );
    const statuses = await Promise.all(ids.map((id) => containerd.podSandboxStatus(id)));
    expect(new Set(statuses.flatMap(({ addresses }) => addresses)).size).toBe(2 * ids.length);
    await Promise.all(
      ids.map(async (id) => {
        await containerd.stopPodSandbox(id);
        await containerd.removePodSandbox(id);
      }),
    );
    expect(await traces(node)).toEqual(before);
  });

  test("a network that there is not: the sandbox is refused with network and pod, and leaves nothing", async () => {
    const before = await traces(node);
    await expect(containerd.runPodSandbox(sandbox("lost", "storage,nowhere"))).rejects.toThrow(
      /default\/lost.*default\/nowhere/s,
    );
    for (const id of await containerd.listPodSandboxes()) {
      await containerd.stopPodSandbox(id);
      await containerd.removePodSandbox(id);
    }
    expect(await traces(node)).toEqual(before);
  });
});

test.each(["0.4.0", "1.0.0"])(
  "containerd finds the daemon by the file that it makes, and takes the next one when that is gone, at %s",
  async (cniVersion) => {
    await using node = await TestNode.start();
    await node.network.ip("link", "add", "cni0", "type", "bridge");
    node.writeMacvlan("storage", "10.151.0.0/24");
    const configDirectory = join(node.directory, "runtime-net.d");
    mkdirSync(configDirectory);
    const plugin = { type: "bridge", bridge: "cni0", isGateway: true, ipam: node.hostLocal("10.150.0.0/24") };
    writeFileSync(
      join(configDirectory, "10-cluster.conflist"),
      JSON.stringify({ cniVersion, name: "cluster", plugins: [plugin] }),
    );
    await using containerd = await Containerd.start(
      join(node.directory, "cri"),
      node.network,
      runtimePlugins(node, "bridge", "host-local"),
      configDirectory,
    );
    const before = await traces(node);
    /** Names of a new pod's links. */
    const linksOfNewPod = async (): Promise<string[]> => {
      const id = await containerd.runPodSandbox(sandbox("web", "storage"));
      const links = await linksOfProcess((await containerd.podSandboxStatus(id)).pid);
      await containerd.stopPodSandbox(id);
      await containerd.removePodSandbox(id);
      return links.map(({ ifname }) => ifname);
    };
    // containerd sees a change some time after it.
    const expectLinks = (...names: string[]) =>
      vi.waitFor(async () => expect(await linksOfNewPod()).toEqual(names), {
        timeout: 60_000,
        interval: 200,
      });

    await expectLinks("eth0");
    const { socketDir, nadDir, cniDir, confDir } = node;
    await node.daemon.stop();
    node.daemon.configure({
      ...{ socketDir, nadDir, cniDir, confDir },
      binDir: debianPlugins,
      logLevel: "debug",
      cniConfigDir: configDirectory,
      multusConfigFile: "auto",
      cleanupConfigOnExit: true,
    });
    await node.daemon.start();
    await expectLinks("eth0", "net1");
    expect(await node.daemon.stop()).toBe(0);
    await expectLinks("eth0");
    expect(await traces(node)).toEqual(before);
  },
);
