/** Networks that one order makes or removes: everything around them is as if their plugins had run. */

import { readdirSync } from "node:fs";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  ExecutorError,
  type ExecutorErrorCode,
  type MadeLink,
  type NativeLink,
} from "../../../src/agent/executor.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, macvlanNetwork, type RequestOptions, Rig, selecting } from "./rig.ts";

let kernels: Kernels;
let cluster: PretendedCluster;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(() => {
  cluster = new PretendedCluster();
});

/** One that plugins have to make. */
const executed = (index: number): Json => macvlanNetwork(index, { type: "ipvlan" });

const clusterNetwork: Json = {
  cniVersion: "1.0.0",
  name: "cluster",
  type: "bridge",
  bridge: "cni0",
  ipam: { type: "host-local", subnet: "10.1.0.0/24" },
};

const options = (further: Json = {}): RequestOptions => ({
  netconf: { nativeNetworks: "auto", delegates: [clusterNetwork], ...further },
});

/** Answer of a shim that takes the last address of each set. */
function made(links: readonly NativeLink[]): MadeLink[] {
  return links.map(({ kind, sets }) => {
    const mac = Buffer.from("020000000001", "hex");
    const hostMac = kind === "bridge" ? mac : Buffer.of();
    const addresses = sets.map(({ ranges: [range] }) => {
      return { address: range?.last ?? mac, prefix: range?.prefix ?? 0, gateway: range?.gateway };
    });
    return {
      mac,
      addresses,
      milliseconds: 0.5,
      hostName: kind === "bridge" ? "veth0" : "",
      hostMac,
      parentMac: hostMac,
    };
  });
}

/** A rig whose pod selects these networks, and whose shim makes links. `orders` has its orders and the runs of plugins. */
function rigOf(networks: Readonly<Record<string, Json>>, annotation = Object.keys(networks).join()) {
  cluster.addPod("default/web", selecting(annotation));
  for (const [name, config] of Object.entries(networks)) cluster.addNad(`default/${name}`, config);
  const rig = new Rig(kernels, { clusters: cluster });
  const orders: string[] = [];
  for (const plugin of ["bridge", "macvlan", "host-local"]) rig.plugins.fileStates.set(plugin, "1");
  rig.plugins.behaviour = ({ command, plugin, ifName }) => {
    orders.push(`${command} ${plugin} ${ifName}`);
    return undefined;
  };
  rig.plugins.attach = async (links) => {
    orders.push(`attach ${links.map(({ ifName }) => ifName).join(" ")}`);
    return made(links);
  };
  rig.plugins.detach = async (links) => {
    orders.push(`detach ${links.map(({ ifName }) => ifName).join(" ")}`);
  };
  return { rig, orders, [Symbol.dispose]: () => rig[Symbol.dispose]() };
}

const three = { a: macvlanNetwork(2), b: macvlanNetwork(3), c: macvlanNetwork(4) };

function refusing(code: ExecutorErrorCode): () => Promise<never> {
  return () => Promise.reject(new ExecutorError(code, "not so"));
}

describe("ADD", () => {
  test("makes all networks by one order, and tells of each", async () => {
    using pod = rigOf(three);
    const { rig, orders } = pod;
    const handled = await rig.run("ADD", options());
    expect(handled.error).toBeUndefined();
    expect(orders).toEqual(["attach eth0 net1 net2 net3"]);
    expect(answerOf(handled)).toMatchObject({ cniVersion: "1.0.0", ips: [{ address: "10.1.0.254/24" }] });
    expect(cluster.reasons).toEqual([
      "AddedInterface Add eth0 [10.1.0.254/24] from cluster",
      "AddedInterface Add net1 [10.2.0.254/24] from default/a",
      "AddedInterface Add net2 [10.3.0.254/24] from default/b",
      "AddedInterface Add net3 [10.4.0.254/24] from default/c",
    ]);
    expect(cluster.status).toMatchObject([
      { name: "cluster", interface: "eth0", ips: ["10.1.0.254"], default: true },
      { name: "default/a", interface: "net1", ips: ["10.2.0.254"] },
      { name: "default/b", interface: "net2", ips: ["10.3.0.254"] },
      { name: "default/c", interface: "net3", ips: ["10.4.0.254"] },
    ]);
    expect(readdirSync(`${rig.cniDir}/results`)).toHaveLength(4);
  });

  test("answers in the version that the netconf names", async () => {
    using pod = rigOf(three);
    const answer = answerOf(await pod.rig.run("ADD", options({ cniVersion: "0.2.0" })));
    expect(answer).toMatchObject({ cniVersion: "0.2.0", ip4: { ip: "10.1.0.254/24" } });
  });

  test("reports each with its share of the order's time", async () => {
    using pod = rigOf(three);
    const { report } = await pod.rig.run("ADD", options());
    expect(report.networks.map(({ ifName, isNative }) => [ifName, isNative])).toEqual([
      ["eth0", true],
      ["net1", true],
      ["net2", true],
      ["net3", true],
    ]);
    const sum = report.networks.reduce((time, { milliseconds }) => time + milliseconds, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(report.phases.get("delegates") ?? 0);
  });

  test("is off where the netconf does not say so", async () => {
    using pod = rigOf({ a: macvlanNetwork(2) });
    const { report } = await pod.rig.run("ADD", options({ nativeNetworks: "" }));
    expect(pod.orders).toEqual(["ADD bridge eth0", "ADD macvlan net1"]);
    expect(report.networks.map(({ isNative }) => isNative)).toEqual([undefined, undefined]);
  });

  test("runs the plugins of others between, in the plan's order", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3), c: macvlanNetwork(4) });
    const { report } = await pod.rig.run("ADD", options());
    expect(pod.orders).toEqual(["attach eth0 net1", "ADD ipvlan net2", "attach net3"]);
    expect(report.networks.map(({ ifName, isNative }) => [ifName, isNative])).toEqual([
      ["eth0", true],
      ["net1", true],
      ["net2", undefined],
      ["net3", true],
    ]);
  });

  test.each(["unsuited", "link-exists", "refused"] as const)(
    "that is declined (%s) is made by the plugins, in order",
    async (code) => {
      using pod = rigOf(three);
      pod.rig.plugins.attach = refusing(code);
      expect((await pod.rig.run("ADD", options())).error).toBeUndefined();
      expect(pod.orders).toEqual([
        "ADD bridge eth0",
        "ADD macvlan net1",
        "ADD macvlan net2",
        "ADD macvlan net3",
      ]);
    },
  );

  test("that is declined is made by plugins at once where attachConcurrency says so", async () => {
    using pod = rigOf(three);
    const { rig } = pod;
    rig.plugins.attach = refusing("unsuited");
    const begun: string[] = [];
    const all = Promise.withResolvers<void>();
    rig.plugins.behaviour = async ({ command, ifName }) => {
      if (command !== "ADD" || ifName === "eth0") return undefined;
      if (begun.push(ifName) === 3) all.resolve();
      await all.promise;
      return undefined;
    };
    expect((await rig.run("ADD", options({ attachConcurrency: "auto" }))).error).toBeUndefined();
    expect(begun).toEqual(["net1", "net2", "net3"]);
  });

  test("that is declined as a link is there: it stays, and what had begun is undone", async () => {
    using pod = rigOf(three);
    const { rig, orders } = pod;
    rig.plugins.attach = refusing("link-exists");
    rig.plugins.links.add("net2");
    expect(answerOf(await rig.run("ADD", options()))).toMatchObject({
      code: 4,
      msg: expect.stringContaining("net2"),
    });
    expect(orders).toEqual(["ADD bridge eth0", "ADD macvlan net1", "DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("undoes what an order has made where a later network fails", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3) });
    const { rig, orders } = pod;
    rig.plugins.behaviour = ({ command, plugin, ifName }) => {
      orders.push(`${command} ${plugin} ${ifName}`);
      return command === "ADD" ? { exitCode: 1, stdout: { code: 100, msg: "no" } } : undefined;
    };
    expect(answerOf(await rig.run("ADD", options()))).toMatchObject({ code: 100 });
    expect(orders).toEqual([
      "attach eth0 net1",
      "ADD ipvlan net2",
      "DEL ipvlan net2",
      "DEL macvlan net1",
      "DEL bridge eth0",
    ]);
    expect(readdirSync(`${rig.cniDir}/results`)).toEqual([]);
  });

  test.each(["gone", "timeout"] as const)(
    "that may have been done (%s) is undone, and the ADD fails",
    async (code) => {
      using pod = rigOf({ a: macvlanNetwork(2) });
      pod.rig.plugins.attach = refusing(code);
      const { error } = await pod.rig.run("ADD", options());
      expect(error?.message).toMatch(/^\[default\/web\/u-1:cluster\]: /);
      expect(pod.orders).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
      // Nobody waits for one whose other end is gone.
      const told =
        "NetworkNotAttached network cluster is not attached as eth0: native networks cluster, a (ADD): not so";
      expect(cluster.reasons).toEqual(code === "gone" ? [] : [told]);
    },
  );

  test("sets default routes of one network before the next is made", async () => {
    using pod = rigOf(
      { a: macvlanNetwork(2) },
      JSON.stringify([{ name: "a", "default-route": ["10.2.0.1"] }]),
    );
    const { rig, orders } = pod;
    rig.plugins.setDefaultRoutes = async (_netns, ifName) => {
      orders.push(`routes of ${ifName}`);
    };
    expect((await rig.run("ADD", options())).error).toBeUndefined();
    expect(orders).toEqual(["attach eth0", "routes of eth0", "attach net1", "routes of net1"]);
  });
});

describe("ADD, ordered ahead", () => {
  const executedCluster = options({ delegates: [{ ...clusterNetwork, type: "other-bridge" }] });

  /** Plugins and orders that go on when the test says so. */
  function gated({ rig, orders }: ReturnType<typeof rigOf>) {
    const open: (() => void)[] = [];
    const gate = () => new Promise<void>((resolve) => open.push(resolve));
    const { behaviour, attach, detach } = rig.plugins;
    rig.plugins.behaviour = async (call) => {
      const answer = behaviour(call);
      await gate();
      return answer;
    };
    rig.plugins.attach = async (links) => {
      const answer = attach(links);
      await gate();
      return answer;
    };
    rig.plugins.detach = async (links) => {
      await detach(links);
      await gate();
    };
    return {
      /** Ends what runs, when it does. */
      async end(): Promise<void> {
        while (open.length === 0) await new Promise(setImmediate);
        expect(open).toHaveLength(1);
        open.shift()?.();
      },
      /** When everything goes on that waits for nothing but this process. */
      async settled(): Promise<readonly string[]> {
        while (open.length === 0) await new Promise(setImmediate);
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
        return [...orders];
      },
    };
  }

  test("the links go with the plugin before them, and the next plugin with the links", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: macvlanNetwork(3), c: executed(4) });
    const gates = gated(pod);
    const { given } = pod.rig.plugins;
    const handled = pod.rig.run("ADD", executedCluster);
    expect(await gates.settled()).toEqual(["ADD other-bridge eth0"]);
    expect(given).toEqual(["ADD other-bridge eth0", "attach net1 net2"]);
    await gates.end();
    expect(await gates.settled()).toEqual(["ADD other-bridge eth0", "attach net1 net2"]);
    expect(given.slice(2)).toEqual(["ADD ipvlan net3"]);
    await gates.end();
    await gates.end();
    const { error, report } = await handled;
    expect(error).toBeUndefined();
    expect(pod.orders).toEqual(["ADD other-bridge eth0", "attach net1 net2", "ADD ipvlan net3"]);
    expect(report.networks.map(({ ifName, isNative }) => [ifName, isNative])).toEqual([
      ["eth0", undefined],
      ["net1", true],
      ["net2", true],
      ["net3", undefined],
    ]);
    for (const [index, { start, milliseconds }] of report.networks.entries()) {
      const before = report.networks[index - 1];
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      // Shares of one order's time are sums of fractions.
      if (before !== undefined) expect(start).toBeGreaterThan(before.start + before.milliseconds - 1e-6);
    }
  });

  test("after a plugin that fails nothing is made, and links are not undone", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3) });
    const { rig, orders } = pod;
    rig.plugins.behaviour = ({ command, plugin, ifName }) => {
      orders.push(`${command} ${plugin} ${ifName}`);
      return command === "ADD" ? { exitCode: 1, stdout: { code: 100, msg: "no bridge" } } : undefined;
    };
    expect(answerOf(await rig.run("ADD", executedCluster))).toMatchObject({ code: 100 });
    expect(rig.plugins.given).toContain("attach net1");
    expect(orders).toEqual(["ADD other-bridge eth0", "DEL other-bridge eth0"]);
  });

  test("after a result that cannot be used the links are undone", async () => {
    using pod = rigOf({ a: macvlanNetwork(2) });
    const { rig, orders } = pod;
    rig.plugins.behaviour = ({ command, plugin, ifName }) => {
      orders.push(`${command} ${plugin} ${ifName}`);
      return command === "ADD" ? { stdout: "{" } : undefined;
    };
    const { error } = await rig.run("ADD", executedCluster);
    expect(error?.message).toContain("answered with no valid result");
    expect(orders).toEqual([
      ...["ADD other-bridge eth0", "attach net1"],
      ...["DEL macvlan net1", "DEL other-bridge eth0"],
    ]);
  });

  test.each(["unsuited", "link-exists"] as const)(
    "links that are declined (%s) are made by their plugins, before the plugin that was ordered with them",
    async (code) => {
      using pod = rigOf({ a: macvlanNetwork(2), b: macvlanNetwork(3), c: executed(4) });
      pod.rig.plugins.attach = refusing(code);
      expect((await pod.rig.run("ADD", executedCluster)).error).toBeUndefined();
      expect(pod.rig.plugins.given.slice(0, 3)).toEqual([
        ...["ADD other-bridge eth0", "attach net1 net2", "ADD ipvlan net3"],
      ]);
      expect(pod.orders).toEqual([
        ...["ADD other-bridge eth0", "ADD macvlan net1", "ADD macvlan net2", "ADD ipvlan net3"],
      ]);
    },
  );

  test("nothing is made when the other end is gone", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3) });
    pod.rig.plugins.behaviour = () => {
      throw new ExecutorError("gone", "the shim is gone");
    };
    expect(answerOf(await pod.rig.run("ADD", executedCluster))).toMatchObject({ code: 11 });
    expect(pod.orders).toEqual([]);
  });

  test("a DEL: the plugin goes with the links before it", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: macvlanNetwork(3) });
    const { rig, orders } = pod;
    expect((await rig.run("ADD", executedCluster)).error).toBeUndefined();
    orders.length = 0;
    rig.plugins.given.length = 0;
    const gates = gated(pod);
    const handled = rig.run("DEL", executedCluster);
    expect(await gates.settled()).toEqual(["detach net2 net1"]);
    expect(rig.plugins.given).toEqual(["detach net2 net1", "DEL other-bridge eth0"]);
    await gates.end();
    await gates.end();
    expect((await handled).error).toBeUndefined();
    expect(orders).toEqual(["detach net2 net1", "DEL other-bridge eth0"]);
  });

  test("a DEL: links that are declined are removed by their plugins before the plugin that was ordered with them", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3), c: macvlanNetwork(4) });
    const { rig, orders } = pod;
    expect((await rig.run("ADD", executedCluster)).error).toBeUndefined();
    orders.length = 0;
    rig.plugins.detach = refusing("unsuited");
    rig.plugins.behaviour = ({ command, plugin, ifName }) => {
      orders.push(`${command} ${plugin} ${ifName}`);
      return ifName === "net2" ? { exitCode: 1, stdout: { code: 100, msg: "stuck" } } : undefined;
    };
    expect(answerOf(await rig.run("DEL", executedCluster)).msg).toMatch(/default\/b\]: .*stuck/);
    expect(orders).toEqual([
      ...["DEL macvlan net3", "DEL ipvlan net2", "DEL macvlan net1", "DEL other-bridge eth0"],
    ]);
  });

  test("a DEL: links after a plugin that has failed are removed all the same", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3) });
    const { rig, orders } = pod;
    expect((await rig.run("ADD", executedCluster)).error).toBeUndefined();
    orders.length = 0;
    rig.plugins.given.length = 0;
    rig.plugins.behaviour = ({ command, plugin, ifName }) => {
      orders.push(`${command} ${plugin} ${ifName}`);
      return { exitCode: 1, stdout: { code: 100, msg: `${ifName} is stuck` } };
    };
    const { msg } = answerOf(await rig.run("DEL", executedCluster));
    expect(String(msg).match(/\w+ is stuck/g)).toEqual(["net2 is stuck", "eth0 is stuck"]);
    expect(rig.plugins.given.slice(0, 2)).toEqual(["DEL ipvlan net2", "detach net1"]);
    expect(orders).toEqual(["DEL ipvlan net2", "detach net1", "DEL other-bridge eth0"]);
  });
});

describe("DEL beside plugins", () => {
  /** A chain whose plugins are executed, for a setting that no order makes; each of them is known to keep to its interface. */
  const chain = (index: number): Json => {
    const { cniVersion, name, ...plugin } = macvlanNetwork(index);
    return {
      cniVersion,
      name,
      plugins: [plugin, { type: "tuning", sysctl: { "net.mpls.conf.IFNAME.input": "1" } }],
    };
  };
  const networks = { a: chain(2), b: macvlanNetwork(3), c: chain(4), d: macvlanNetwork(5) };
  const atOnce = (attachConcurrency: unknown = "auto") => options({ attachConcurrency });

  /** A rig with an attached pod, whose plugins and orders end when the test says so. */
  async function attached() {
    const pod = rigOf(networks);
    const { rig, orders } = pod;
    expect((await rig.run("ADD", atOnce())).error).toBeUndefined();
    orders.length = 0;
    const ends = new Map<string, () => void>();
    const gate = (name: string) => {
      orders.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    };
    rig.plugins.behaviour = async ({ command, plugin, ifName }) => {
      await gate(`${command} ${plugin} ${ifName}`);
      return undefined;
    };
    rig.plugins.detach = (links) => gate(`detach ${links.map(({ ifName }) => ifName).join(" ")}`);
    return {
      rig,
      orders,
      /** Ends them, each when it has begun. */
      async end(...names: readonly string[]): Promise<void> {
        for (const name of names) {
          while (!ends.has(name)) await new Promise(setImmediate);
          ends.get(name)?.();
        }
      },
      /** Orders begun, once there are so many, and all goes on that waits for nothing but this process. */
      async begun(count: number): Promise<readonly string[]> {
        while (ends.size < count) await new Promise(setImmediate);
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
        return orders.toSorted();
      },
      [Symbol.dispose]: () => pod[Symbol.dispose](),
    };
  }

  test("removes links while plugins of others run, and those of the cluster network last", async () => {
    using pod = await attached();
    const handled = pod.rig.run("DEL", atOnce());
    expect(await pod.begun(3)).toEqual(["DEL tuning net1", "DEL tuning net3", "detach net4 net2"]);
    await pod.end("detach net4 net2", "DEL tuning net3", "DEL tuning net1", "DEL macvlan net3");
    expect(await pod.begun(5)).not.toContain("detach eth0");
    await pod.end("DEL macvlan net1", "detach eth0");
    const { error, report } = await handled;
    expect(error).toBeUndefined();
    expect(pod.orders.at(-1)).toBe("detach eth0");
    const ways = report.networks.map(({ ifName, isNative }) => `${ifName} ${isNative === true}`);
    expect(ways.toSorted()).toEqual(["eth0 true", "net1 false", "net2 true", "net3 false", "net4 true"]);
    expect(readdirSync(pod.rig.cniDir, { recursive: true })).toEqual(["results"]);
  });

  test("one after the other with attachConcurrency 1", async () => {
    using pod = await attached();
    const handled = pod.rig.run("DEL", atOnce(1));
    const inOrder = [
      ...["detach net4", "DEL tuning net3", "DEL macvlan net3", "detach net2"],
      ...["DEL tuning net1", "DEL macvlan net1", "detach eth0"],
    ];
    for (const [index, name] of inOrder.entries()) {
      await pod.end(name);
      expect(pod.orders.slice(0, index + 1)).toEqual(inOrder.slice(0, index + 1));
    }
    expect((await handled).error).toBeUndefined();
  });

  test("links that are declined there: their plugins run behind those of the others, each once", async () => {
    using pod = await attached();
    const { rig, orders } = pod;
    rig.plugins.detach = refusing("unsuited");
    rig.plugins.behaviour = ({ command, plugin, ifName }) => {
      orders.push(`${command} ${plugin} ${ifName}`);
      return { exitCode: plugin === "macvlan" ? 1 : 0, stdout: { code: 100, msg: `${ifName} is stuck` } };
    };
    const { msg } = answerOf(await rig.run("DEL", atOnce()));
    expect(String(msg).match(/\w+ is stuck/g)).toEqual(
      ["net4", "net3", "net2", "net1"].map((ifName) => `${ifName} is stuck`),
    );
    const ofChains = ["DEL tuning net3", "DEL macvlan net3", "DEL tuning net1", "DEL macvlan net1"];
    expect(orders.slice(0, 4).toSorted()).toEqual(ofChains.toSorted());
    expect(orders.slice(4, 6).toSorted()).toEqual(["DEL macvlan net2", "DEL macvlan net4"]);
    expect(orders.slice(6)).toEqual(["DEL bridge eth0"]);
  });

  test("nothing more is begun when the other end is gone, and the error is its", async () => {
    using pod = await attached();
    pod.rig.plugins.detach = refusing("gone");
    const handled = pod.rig.run("DEL", atOnce());
    await pod.begun(2);
    pod.rig.plugins.behaviour = () => {
      throw new ExecutorError("gone", "the shim is gone");
    };
    await pod.end("DEL tuning net3", "DEL tuning net1");
    expect(answerOf(await handled)).toMatchObject({ code: 11 });
    expect(pod.orders.filter((order) => /eth0/.test(order))).toEqual([]);
  });
});

describe("DEL", () => {
  test("removes all by one order, and its files", async () => {
    using pod = rigOf(three);
    const { rig, orders } = pod;
    await rig.run("ADD", options());
    const { error, report } = await rig.run("DEL", options());
    expect(error).toBeUndefined();
    expect(orders.slice(1)).toEqual(["detach net3 net2 net1 eth0"]);
    expect(readdirSync(rig.cniDir, { recursive: true })).toEqual(["results"]);
    expect(report.networks.map(({ ifName, isNative }) => [ifName, isNative])).toEqual([
      ["net3", true],
      ["net2", true],
      ["net1", true],
      ["eth0", true],
    ]);
  });

  test("that is declined runs the plugins in reverse, each of them", async () => {
    using pod = rigOf(three);
    const { rig, orders } = pod;
    await rig.run("ADD", options());
    orders.length = 0;
    rig.plugins.detach = refusing("unsuited");
    rig.plugins.behaviour = ({ command, plugin, ifName }) => {
      orders.push(`${command} ${plugin} ${ifName}`);
      return ifName === "net2" ? { exitCode: 1, stdout: { code: 100, msg: "stuck" } } : undefined;
    };
    expect(answerOf(await rig.run("DEL", options())).msg).toMatch(/default\/b\]: .*stuck/);
    expect(orders).toEqual(["DEL macvlan net3", "DEL macvlan net2", "DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("runs the plugins of others between", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3), c: macvlanNetwork(4) });
    const { rig, orders } = pod;
    await rig.run("ADD", options());
    orders.length = 0;
    expect((await rig.run("DEL", options())).error).toBeUndefined();
    expect(orders).toEqual(["detach net3", "DEL ipvlan net2", "detach net1 eth0"]);
  });

  test("stops when nobody is left to carry out an order", async () => {
    using pod = rigOf({ a: macvlanNetwork(2), b: executed(3), c: macvlanNetwork(4) });
    const { rig, orders } = pod;
    await rig.run("ADD", options());
    orders.length = 0;
    rig.plugins.detach = refusing("gone");
    expect(answerOf(await rig.run("DEL", options()))).toMatchObject({
      code: 11,
      msg: expect.stringContaining("default/c"),
    });
    expect(orders).toEqual([]);
  });

  test("of networks that the container may never have had runs their plugins", async () => {
    using pod = rigOf({ a: macvlanNetwork(2) });
    expect((await pod.rig.run("DEL", options())).error).toBeUndefined();
    expect(pod.orders).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
  });
});
