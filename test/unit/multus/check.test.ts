import { rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import { ResultCache } from "../../../src/cni/cache.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };

async function attached(): Promise<Rig> {
  const rig = new Rig(kernels);
  rig.addNad("default/a", macvlan);
  rig.addNad("default/old", { ...macvlan, cniVersion: "0.3.1", type: "ipvlan" });
  rig.addNad("default/unchecked", {
    cniVersion: "1.0.0",
    name: "unchecked",
    disableCheck: true,
    plugins: [{ type: "tuning" }],
  });
  rig.addNad("default/b", { ...macvlan, type: "sriov" });
  await rig.run("ADD", { annotations: selecting("a,old,unchecked,b") });
  rig.plugins.calls.length = 0;
  return rig;
}

const cluster = { cniVersion: "1.0.0", name: "cluster", type: "bridge" };
const all = { checkDelegates: "all" };

test("CHECK runs the cluster network's plugins with its result, and looks at the others' links in one order", async () => {
  using rig = await attached();
  const handled = await rig.run("CHECK");
  expect(handled.exitCode).toBe(0);
  expect(handled.stdout).toHaveLength(0);
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0"]);
  expect(rig.plugins.calls[0]?.stdin.prevResult).toMatchObject({ interfaces: [{ name: "eth0" }] });
  // Not those of 0.3.1 and with disableCheck.
  const links = ["net1", "net4"].map((ifName) => ({ ifName, addresses: ["10.1.0.5"] }));
  expect(rig.plugins.looks).toEqual([{ netns: "/run/netns/pod", links }]);
});

test("CHECK of a container whose ADD has failed: code 3, no plugin is run and no link looked at", async () => {
  using rig = new Rig(kernels);
  rig.addNad("default/a", macvlan);
  rig.plugins.behaviour = ({ command, ifName }) =>
    command === "ADD" && ifName === "net1" ? { exitCode: 1, stdout: { code: 11, msg: "busy" } } : undefined;
  expect((await rig.run("ADD", { annotations: selecting("a") })).exitCode).toBe(1);
  rig.plugins.calls.length = 0;
  expect(answerOf(await rig.run("CHECK"))).toMatchObject({
    code: 3,
    msg: expect.stringContaining("its ADD has failed"),
  });
  expect(rig.plugins.trace).toEqual([]);
  expect(rig.plugins.looks).toEqual([]);
});

test("with checkDelegates all it runs the plugins of every network, but for those that have none", async () => {
  using rig = await attached();
  expect((await rig.run("CHECK", { netconf: all })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0", "CHECK macvlan net1", "CHECK sriov net4"]);
  for (const { stdin, ifName } of rig.plugins.calls) {
    expect(stdin.prevResult).toMatchObject({ interfaces: [{ name: ifName }] });
  }
  expect(rig.plugins.looks).toEqual([]);
});

test.each(["CHECK", "DEL"])("%s reads the cached result of each network once", async (command) => {
  using rig = await attached();
  using read = vi.spyOn(ResultCache.prototype, "read");
  expect((await rig.run(command)).exitCode).toBe(0);
  const networks = read.mock.calls.map(([{ networkName, ifName }]) => `${networkName}@${ifName}`);
  expect(networks.toSorted()).toEqual(
    command === "CHECK"
      ? ["a@net1", "b@net4", "cluster@eth0"]
      : ["a@net1", "b@net4", "cluster@eth0", "old@net2", "unchecked@net3"],
  );
});

test.each(["cluster", ""])("checkDelegates %j is the default", async (checkDelegates) => {
  using rig = await attached();
  expect((await rig.run("CHECK", { netconf: { checkDelegates } })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0"]);
});

test("checkDelegates of another value: code 7", async () => {
  using rig = await attached();
  expect(answerOf(await rig.run("CHECK", { netconf: { checkDelegates: "none" } }))).toMatchObject({
    code: 7,
    msg: expect.stringContaining("checkDelegates"),
  });
});

test("the netconf's delegates have their plugins run; default networks and the auxiliary chain are looked at", async () => {
  using rig = new Rig(kernels);
  rig.addNad("default/a", macvlan);
  const delegates = [cluster, { cniVersion: "1.0.0", name: "second", type: "ipvlan" }];
  const annotations = selecting("a");
  await rig.run("ADD", { annotations, netconf: { delegates } });
  rig.plugins.calls.length = 0;
  expect((await rig.run("CHECK", { netconf: { delegates } })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0", "CHECK ipvlan net1"]);
  expect(rig.plugins.looks.flatMap(({ links }) => links.map(({ ifName }) => ifName))).toEqual(["net2"]);

  using other = new Rig(kernels);
  const chain = { cniVersion: "1.0.0", plugins: [{ type: "tuning" }] };
  other.writeFile("net.d/cluster.conflist", {
    ...chain,
    name: "cluster",
    plugins: [{ type: "bridge" }],
    disableCheck: false,
  });
  other.writeFile("net.d/every.conflist", { ...chain, name: "every" });
  const netconf = { delegates: undefined, clusterNetwork: "cluster", defaultNetworks: ["every"] };
  expect((await other.run("ADD", { netconf })).exitCode).toBe(0);
  other.plugins.calls.length = 0;
  expect((await other.run("CHECK", { netconf })).exitCode).toBe(0);
  expect(other.plugins.trace).toEqual(["CHECK bridge eth0"]);
  expect(other.plugins.looks.flatMap(({ links }) => links.map(({ ifName }) => ifName))).toEqual(["net1"]);
});

test("without a plan the cluster network is told by its interface", async () => {
  using rig = await attached();
  rmSync(join(rig.cniDir, containerId));
  expect((await rig.run("CHECK")).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0"]);
  expect(rig.plugins.looks).toHaveLength(1);
});

describe("a further network's link", () => {
  test("that is missing, has another MAC address or lacks addresses: 999, with network and interface, all in one", async () => {
    using rig = await attached();
    rig.addNad("default/c", macvlan);
    await rig.run("ADD", { annotations: selecting("a,b,c") });
    rig.plugins.look = () => [
      { exists: false, mac: Buffer.of(), absent: [] },
      { exists: true, mac: Buffer.from("0200000000ff", "hex"), absent: ["10.1.0.5"] },
      { exists: true, mac: Buffer.from("020000000001", "hex"), absent: [] },
    ];
    const { code, msg } = answerOf(await rig.run("CHECK"));
    expect(code).toBe(999);
    expect(msg).toBe(
      "[default/web/u-1:default/a]: interface net1 is missing in /run/netns/pod / " +
        "[default/web/u-1:default/b]: interface net2 has the MAC address 02:00:00:00:00:ff, not 02:00:00:00:00:01 of its result, " +
        "and lacks the addresses 10.1.0.5 of its result",
    );
  });

  test("without a MAC address of its own is not held to one", async () => {
    using rig = await attached();
    rig.plugins.look = (links) => links.map(() => ({ exists: true, mac: Buffer.of(), absent: [] }));
    expect((await rig.run("CHECK")).exitCode).toBe(0);
  });

  test.each<{ about: string; nad: Json; selection: Json }>([
    { about: "deviceID of the network", nad: { deviceID: "0000:00:1f.6" }, selection: {} },
    { about: "pciBusID of the network", nad: { pciBusID: "0000:00:1f.6" }, selection: {} },
    { about: "the selection's", nad: {}, selection: { deviceID: "0000:00:1f.6" } },
  ])("may be missing where a device was asked for: $about", async ({ nad, selection }) => {
    using rig = new Rig(kernels);
    rig.addNad("default/dpdk", { ...macvlan, ...nad });
    await rig.run("ADD", { annotations: selecting([{ name: "dpdk", ...selection }]) });
    rig.plugins.look = (links) => links.map(() => ({ exists: false, mac: Buffer.of(), absent: [] }));
    expect((await rig.run("CHECK")).exitCode).toBe(0);
    expect(rig.plugins.looks).toHaveLength(1);
  });

  test.each<{ about: string; result: Json }>([
    {
      about: "a dummy as EKS has it",
      result: {
        interfaces: [{ name: "dummy1", sandbox: "0" }],
        ips: [{ address: "10.1.0.5/16", interface: 0 }],
      },
    },
    { about: "an interface without sandbox", result: { interfaces: [{ name: "net1" }] } },
    { about: "addresses alone", result: { ips: [{ address: "10.1.0.5/16" }] } },
    { about: "an empty result", result: {} },
  ])("is not looked for with $about", async ({ result }) => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    rig.plugins.behaviour = ({ plugin, command }) =>
      plugin === "macvlan" && command === "ADD" ? { stdout: { cniVersion: "1.0.0", ...result } } : undefined;
    expect((await rig.run("ADD", { annotations: selecting("a") })).exitCode).toBe(0);
    expect((await rig.run("CHECK")).exitCode).toBe(0);
    expect(rig.plugins.looks).toEqual([]);
  });

  test("is passed over where its result is gone, as Go multus leaves it when it unplugs a network", async () => {
    using rig = await attached();
    rmSync(join(rig.cniDir, "results", `a-${containerId}-net1`));
    expect((await rig.run("CHECK")).exitCode).toBe(0);
    expect(rig.plugins.looks.flatMap(({ links }) => links.map(({ ifName }) => ifName))).toEqual(["net4"]);
  });

  test("that was plugged in is looked at too", async () => {
    using rig = await attached();
    const plugged = { cniVersion: "1.0.0", name: "plugged", type: "bridge" };
    expect((await rig.delegate("ADD", "hot1", plugged)).exitCode).toBe(0);
    rig.plugins.calls.length = 0;
    expect((await rig.run("CHECK")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["CHECK bridge eth0"]);
    expect(rig.plugins.looks[0]?.links.map(({ ifName }) => ifName)).toEqual(["net1", "net4", "hot1"]);
  });

  test.each([
    { code: "netns", is: 4 },
    { code: "gone", is: 11 },
    { code: "failed", is: 999 },
  ] as const)("that cannot be looked at ($code): $is, with the networks", async ({ code, is }) => {
    using rig = await attached();
    rig.plugins.look = () => {
      throw new ExecutorError(code, "so it is");
    };
    expect(answerOf(await rig.run("CHECK"))).toMatchObject({
      code: is,
      msg: "[default/web/u-1]: the interfaces of further networks cannot be looked at (default/a, default/b): so it is",
    });
  });

  test("is not looked for after the cluster network's plugins have failed", async () => {
    using rig = await attached();
    rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 110, msg: "gone" } });
    expect(answerOf(await rig.run("CHECK"))).toMatchObject({ code: 110 });
    expect(rig.plugins.looks).toEqual([]);
  });
});

test("a plugin is CHECKed with what the selection asked for at ADD, also what the plan does not keep", async () => {
  using rig = new Rig(kernels);
  const asked = {
    bandwidth: { ingressRate: 1000, ingressBurst: 2000, egressRate: 3000, egressBurst: 4000 },
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
    mac: "02:00:00:00:00:07",
  };
  const capabilities = { bandwidth: true, portMappings: true, mac: true };
  rig.addNad("default/limited", { ...macvlan, name: "limited", capabilities });
  expect((await rig.run("ADD", { annotations: selecting([{ name: "limited", ...asked }]) })).exitCode).toBe(
    0,
  );
  expect((await rig.run("CHECK", { netconf: all })).exitCode).toBe(0);
  const [added, checked] = rig.plugins.calls.filter(({ plugin }) => plugin === "macvlan");
  expect(added?.stdin.runtimeConfig).toEqual(asked);
  expect(checked?.stdin.runtimeConfig).toEqual(asked);
});

test("the first plugin that fails ends it, with its code and network", async () => {
  using rig = await attached();
  rig.plugins.behaviour = ({ plugin }) =>
    plugin === "macvlan" ? { exitCode: 1, stdout: { code: 110, msg: "address is gone" } } : undefined;
  expect(answerOf(await rig.run("CHECK", { netconf: all }))).toMatchObject({
    code: 110,
    msg: expect.stringMatching(/^\[default\/web\/u-1:default\/a\]: .*address is gone/u),
  });
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0", "CHECK macvlan net1"]);
});

test("a container that nothing is known of: code 3", async () => {
  using rig = await attached();
  const annotations = selecting("a");
  expect(answerOf(await rig.run("CHECK", { annotations, request: { containerId: "nobody" } }))).toMatchObject(
    { code: 3 },
  );
  expect(rig.plugins.calls).toEqual([]);
});
