/** DETACH_LINKS in real network namespaces: links go as a group, and address files behind them. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import { shims } from "../shim/support/binaries.ts";
import { isRoot } from "../shim/support/links.ts";
import { NativeNode, range } from "../shim/support/native-node.ts";
import { Namespace } from "../support/namespace.ts";
import { session, sessionVariable } from "../support/session.ts";

const none = { sets: [], addresses: [], routes: [] };
const set = { ranges: [range] };

/** `eth0` on the bridge, and three macvlans, with addresses of one network. */
const four = (node: NativeNode) =>
  Array.from({ length: 4 }, (_, index) => ({
    ...(index === 0
      ? { ifName: "eth0", kind: "bridge", parent: "br0" }
      : { ifName: `net${index}`, kind: "macvlan", parent: "m0", mode: 4 }),
    ...{ ...none, directory: node.directory(), sets: [set] },
  }));

async function attached(node: NativeNode, pod: Namespace, containerId = "container1"): Promise<FrameBody[]> {
  const links = four(node);
  const answer = await node.attach(pod, links, { containerId });
  expect(answer, JSON.stringify(answer)).not.toHaveProperty("error");
  const made = answer.links as { readonly mac: Buffer }[];
  return links.map(({ ifName, kind, directory }, index) => ({
    ...{ ifName, kind, directory, mac: made[index]?.mac },
  }));
}

const names = async (namespace: Namespace) => (await namespace.links()).map(({ ifname }) => ifname).sort();
const addressFiles = (node: NativeNode) => Object.keys(node.files()).filter((name) => /^[0-9]/.test(name));

/** Pids of processes that run the binary, in this session or not. */
function processesOf(binary: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/exe`) === binary;
      } catch {
        // It has ended, or is the kernel's.
        return false;
      }
    });
}

describe.runIf(isRoot).each(shims)("links that are removed, $name shim", ({ binary }) => {
  test("are gone on both sides with the answer, and so are their addresses: what is made next has the same", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    await using other = await Namespace.create("other");
    const onNode = await names(node.namespace);
    for (let round = 0; round < 3; round++) {
      const links = await attached(node, pod);
      const others = await attached(node, other, "container2");
      expect(await node.detach(pod, links)).toEqual({});
      expect(await names(pod)).toEqual([]);
      expect(addressFiles(node)).toHaveLength(4);
      // A second time there is nothing.
      expect(await node.detach(pod, links)).toEqual({});
      expect(await names(other)).toEqual(["eth0", "net1", "net2", "net3"]);
      const sameMacs = four(node).map((link, index) => ({ ...link, mac: links[index]?.mac }));
      expect(await node.attach(pod, sameMacs)).not.toHaveProperty("error");
      expect(await node.detach(pod, links)).toEqual({});
      expect(await node.detach(other, others, { containerId: "container2" })).toEqual({});
      expect(await names(node.namespace)).toEqual(onNode);
      expect(addressFiles(node)).toEqual([]);
    }
    // The children have ended, or do so in the kernel's own time.
    while (processesOf(binary).length > 0) await new Promise(setImmediate);
  });

  test("of a ptp are gone with the gateway's address, the route on the node, and tuning's file of this container alone", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const link = { ifName: "eth0", kind: "ptp", directory: node.directory(), backups: node.dataDir };
    const before = await node.namespace.ip("-4", "route", "show", "table", "all");
    const another = `${node.dataDir}/container1_net1.json`;
    writeFileSync(another, "{}");
    for (const netns of [pod, ""]) {
      const answer = await node.attach(pod, [{ ...link, ...none, sets: [set], tuning: { mtu: 1400 } }], {
        plugins: ["ptp", "host-local", "tuning"],
      });
      expect(answer, JSON.stringify(answer)).not.toHaveProperty("error");
      const own = `${node.dataDir}/container1_eth0.json`;
      expect(readFileSync(own, "utf8")).toBe('{\n "mtu": 1500\n}');
      expect(await node.namespace.ip("-4", "route", "show", "table", "all")).not.toBe(before);
      expect(await node.detach(netns, [link])).toEqual({});
      expect(existsSync(own)).toBe(false);
      expect(addressFiles(node)).toEqual([]);
      if (netns === "") await pod.ip("link", "del", "eth0");
      expect(await node.namespace.ip("-4", "route", "show", "table", "all")).toBe(before);
    }
    expect(existsSync(another)).toBe(true);
  });

  test("may be one alone, and what else the pod has stays", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const links = await attached(node, pod);
    await pod.ip("link", "add", "own", "type", "veth", "peer", "name", "own-peer");
    expect(await node.detach(pod, links.slice(1, 2))).toEqual({});
    expect(await names(pod)).toEqual(["eth0", "net2", "net3", "own", "own-peer"]);
    expect(addressFiles(node)).toHaveLength(3);
    expect(await node.detach(pod, links)).toEqual({});
    expect(await names(pod)).toEqual(["own", "own-peer"]);
    expect(addressFiles(node)).toEqual([]);
  });

  test("may be the plugins' work", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const ipam = { type: "host-local", dataDir: node.dataDir, ranges: [[{ subnet: "10.10.0.0/24" }]] };
    await node.plugin("ADD", pod, "eth0", { type: "bridge", bridge: "br0", ipam });
    await node.plugin("ADD", pod, "net1", { type: "macvlan", master: "m0", ipam });
    const links = [
      { ifName: "eth0", kind: "bridge", directory: node.directory() },
      { ifName: "net1", kind: "macvlan", directory: node.directory() },
    ];
    expect(await node.detach(pod, links)).toEqual({});
    expect(await names(pod)).toEqual([]);
    expect(addressFiles(node)).toEqual([]);
  });

  test("are found by their MAC addresses where the pod has renamed them, in whatever group", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const links = await attached(node, pod);
    for (const [ifName, name] of [
      ["eth0", "hidden0"],
      ["net1", "hidden1"],
    ] as const) {
      await pod.ip("link", "set", ifName, "down");
      await pod.ip("link", "set", ifName, "name", name);
      await pod.ip("link", "set", name, "group", "77");
    }
    expect(await node.detach(pod, links)).toEqual({});
    expect(await names(pod)).toEqual([]);
  });

  test("are left to the plugins where one of such a name is of another kind", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const links = await attached(node, pod);
    const before = await names(pod);
    const swapped = links.map((link, index) => (index === 3 ? { ...link, kind: "bridge" } : link));
    expect(await node.detach(pod, swapped)).toEqual({
      error: "unsuited",
      message: "DETACH_LINKS: interface net3 is of another kind",
    });
    const ofLoopback = [{ ifName: "lo", kind: "macvlan", mac: Buffer.alloc(6) }];
    expect(await node.detach(pod, ofLoopback)).toEqual({
      error: "unsuited",
      message: "DETACH_LINKS: interface lo is of another kind",
    });
    expect(await names(pod)).toEqual(before);
    expect(addressFiles(node)).toHaveLength(4);
  });

  test.each(["", "/run/netns/mwt-gone"])(
    "of the namespace '%s' leave their files to be removed",
    async (netns) => {
      await using node = await NativeNode.create(binary);
      await using pod = await Namespace.create("pod");
      const links = await attached(node, pod);
      expect(await node.detach(netns, links)).toEqual({});
      expect(await names(pod)).toHaveLength(4);
      expect(addressFiles(node)).toEqual([]);
    },
  );

  test("stay where the namespace has become the shim's own", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const path = `${node.dataDir}/netns`;
    symlinkSync(pod.path, path);
    const { stream } = await node.call(path, "DEL");
    rmSync(path);
    symlinkSync(node.namespace.path, path);
    const links = [{ ifName: "m0", kind: "bridge", directory: node.directory() }];
    expect(await stream.order(FrameType.detachLinks, { netns: path, links })).toEqual({
      error: "netns",
      message: expect.stringMatching(/netns is the plugin's own network namespace/),
    });
    expect(await names(node.namespace)).toContain("m0");
  });

  test("release what names the container and the interface, or else the container alone", async () => {
    await using node = await NativeNode.create(binary);
    const files = {
      "10.10.0.2": "container1\r\nnet1",
      "10.10.0.3": " container1\r\nnet1\n",
      "10.10.0.4": "container1\r\nnet2",
      "10.10.0.5": "container2\r\nnet1",
      "10.10.0.6": "container1",
      "10.10.0.7": `container1\r\nnet1${"x".repeat(600)}`,
    };
    for (const [name, content] of Object.entries(files))
      writeFileSync(`${node.directory()}/${name}`, content);
    writeFileSync(`${node.dataDir}/target`, "container1\r\nnet1");
    symlinkSync(`${node.dataDir}/target`, `${node.directory()}/10.10.0.8`);
    const link = { ifName: "net1", kind: "macvlan", directory: node.directory() };
    expect(await node.detach("", [link])).toEqual({});
    expect(addressFiles(node)).toEqual(["10.10.0.4", "10.10.0.5", "10.10.0.6", "10.10.0.7", "10.10.0.8"]);
    expect(await node.detach("", [link])).toEqual({});
    expect(addressFiles(node)).toEqual(["10.10.0.4", "10.10.0.5", "10.10.0.7", "10.10.0.8"]);
    expect(existsSync(`${node.dataDir}/target`)).toBe(true);
  });

  test("may have no directory any more", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const links = await attached(node, pod);
    rmSync(node.directory(), { recursive: true });
    expect(await node.detach(pod, links)).toEqual({});
    expect(await names(pod)).toEqual([]);
  });

  test.each([
    ["a symbolic link", (path: string) => symlinkSync(path, `${path}-link`), /Not a directory/],
    ["a file", (path: string) => writeFileSync(`${path}-link`, ""), /Not a directory/],
    ["without a lock", (path: string) => rmSync(`${path}/lock`), /No such file/],
  ] as const)("are left to the plugins where the directory is %s", async (what, prepare, says) => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const links = await attached(node, pod);
    prepare(node.directory());
    const directory = what === "without a lock" ? node.directory() : `${node.directory()}-link`;
    expect(await node.detach(pod, [...links.slice(0, 3), { ...links[3], directory }])).toEqual({
      error: "unsuited",
      message: expect.stringMatching(says),
    });
    expect(await names(pod)).toHaveLength(4);
    expect(addressFiles(node)).toHaveLength(4);
  });

  test("are gone before their files, which wait for host-local's lock, and may be removed again", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const links = await attached(node, pod);
    const holder = spawn("flock", [`${node.directory()}/lock`, "sh", "-c", "echo held; cat"], {
      env: { ...process.env, [sessionVariable]: session },
    });
    await once(holder.stdout, "data");
    expect(await node.detach(pod, links)).toEqual({
      error: "failed",
      message: expect.stringMatching(/cannot release the addresses in .*: Connection timed out/),
    });
    expect(await names(pod)).toEqual([]);
    expect(addressFiles(node)).toHaveLength(4);
    holder.stdin.end();
    await once(holder, "close");
    expect(await node.detach(pod, links)).toEqual({});
    expect(addressFiles(node)).toEqual([]);
  });
});
