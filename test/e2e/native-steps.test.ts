/** Native networks on the whole way of a pod: one order makes them beside networks of plugins, plugins and orders remove what the other has made, and nothing stays. */

import { existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { delegateCalls, installDelegate } from "../support/delegates.ts";
import { type Traces, traces } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";
import { referencePluginPath } from "../support/reference-plugins.ts";
import { debianPlugins, masterLink, type Pod, TestNode } from "../support/test-node.ts";
import { until } from "../support/until.ts";

type Json = Readonly<Record<string, unknown>>;
type Way = "auto" | "off";

const tunedMac = "02:00:00:00:86:01";

let node: TestNode;
let netconf: Json;

const withKey = (nativeNetworks: Way, further: Json = {}) => ({ ...netconf, nativeNetworks, ...further });

beforeAll(async () => {
  node = await TestNode.start();
  for (const directory of (await referencePluginPath()).split(":")) {
    const plugin = ["bridge", "macvlan", "ptp", "tuning", "host-local", "static"].find((name) =>
      directory.includes(`/${name}-`),
    );
    if (plugin !== undefined) symlinkSync(join(directory, plugin), join(node.binDir, plugin));
  }
  for (const [index, name] of ["a", "b", "c"].entries()) node.writeMacvlan(name, `10.${81 + index}.0.0/24`);
  // The same plugin by a name that is not known.
  symlinkSync(join(debianPlugins, "macvlan"), join(node.binDir, "other-macvlan"));
  symlinkSync(join(debianPlugins, "bridge"), join(node.binDir, "other-bridge"));
  node.writeMacvlan("other", "10.84.0.0/24", "other-macvlan");
  node.writeNetwork("default/routed", {
    ...{ cniVersion: "1.0.0", name: "routed", type: "ptp", ipam: node.hostLocal("10.85.0.0/24") },
  });
  node.writeNetwork("default/tuned", {
    ...{ cniVersion: "1.0.0", name: "tuned" },
    plugins: [
      { type: "macvlan", master: masterLink, ipam: node.hostLocal("10.86.0.0/24") },
      {
        ...{ type: "tuning", dataDir: join(node.ipamDir, "tuning"), mtu: 1300, mac: tunedMac },
        sysctl: { "net.ipv4.conf.IFNAME.arp_ignore": "2" },
      },
    ],
  });
  netconf = await node.bridgeNetconf("10.80.0.0/24");
  // Plugins set up what a node misses: the bridge, and host-local's directories.
  await using pod = await node.pod("first", "a,b,c,other,routed,tuned");
  (await node.call("ADD", pod, withKey("off"))).expectSuccess();
  (await node.call("DEL", pod, withKey("off"))).expectSuccess();
}, 300_000);

afterAll(() => node?.[Symbol.asyncDispose]());

/** The cluster network by a plugin that is executed. */
function executedCluster(further: Json = {}): Json {
  return node.netconf({
    ...{ cniVersion: "1.0.0", name: "cluster", type: "other-bridge", bridge: "cni0", isGateway: true },
    ipam: node.hostLocal("10.80.0.0/24"),
    ...further,
  });
}

/** `native=` of the log line of the pod's last request with this command; 0 without. */
async function nativeOf(command: string, { containerId }: Pod): Promise<number> {
  const line = () =>
    node.daemon.output
      .split("\n")
      .findLast((each) => each.includes(`] ${command} done`) && each.includes(containerId));
  await until(`the line of ${command}`, () => line() !== undefined);
  return Number(/ native=(\d+) /.exec(line() ?? "")?.[1] ?? 0);
}

/** The shim answers when links are gone; a process of its own waits until the kernel has finished with them. */
async function untilAs(before: Traces): Promise<void> {
  await vi.waitFor(async () => expect(await traces(node)).toEqual(before), { timeout: 60_000, interval: 10 });
}

test.each<[Way, Way]>([
  ["auto", "auto"],
  ["auto", "off"],
  ["off", "auto"],
])("four networks: ADD with nativeNetworks %s, DEL with %s", async (adding, deleting) => {
  const before = await traces(node);
  await using pod = await node.pod("web", "a,b,c");
  const answer = await node.call("ADD", pod, withKey(adding));
  const links = await pod.network.links();
  expect(links.map(({ ifname, linkinfo }) => `${ifname} ${linkinfo?.info_kind}`)).toEqual([
    "eth0 veth",
    "net1 macvlan",
    "net2 macvlan",
    "net3 macvlan",
  ]);
  expect(answer.result.ips?.map(({ address }) => address)).toEqual(
    links.slice(0, 1).flatMap((link) => cidrs(link)),
  );
  expect((await traces(node)).reservations).toHaveLength(before.reservations.length + 4);
  expect(await nativeOf("ADD", pod)).toBe(adding === "auto" ? 4 : 0);
  (await node.call("CHECK", pod, withKey(adding, { checkDelegates: "all" }))).expectSuccess();
  (await node.call("DEL", pod, withKey(deleting))).expectSuccess();
  expect(await nativeOf("DEL", pod)).toBe(deleting === "auto" ? 4 : 0);
  expect(await pod.network.links()).toEqual([]);
  await untilAs(before);
});

test.each<[Way, Way]>([
  ["auto", "auto"],
  ["auto", "off"],
  ["off", "auto"],
])(
  "a ptp network, and tuning behind another: ADD with nativeNetworks %s, DEL with %s",
  async (adding, deleting) => {
    const before = await traces(node);
    await using pod = await node.pod("web", "routed,tuned");
    (await node.call("ADD", pod, withKey(adding))).expectSuccess();
    expect(await nativeOf("ADD", pod)).toBe(adding === "auto" ? 3 : 0);
    const [, routed, tuned] = await pod.network.links();
    expect([routed?.linkinfo?.info_kind, tuned?.linkinfo?.info_kind]).toEqual(["veth", "macvlan"]);
    expect(tuned).toMatchObject({ mtu: 1300, address: tunedMac });
    const setting = await pod.network.run(["cat", "/proc/sys/net/ipv4/conf/net2/arp_ignore"]);
    expect(setting.stdout.toString()).toBe("2\n");
    expect(existsSync(join(node.ipamDir, "tuning", `${pod.containerId}_net2.json`))).toBe(true);
    // The node's end of the veth answers for the gateway: it has no such port.
    const connection = await pod.network.run(["bash", "-c", "exec 3<>/dev/tcp/10.85.0.1/9"]);
    expect(connection.stderr.toString()).toContain("Connection refused");
    (await node.call("CHECK", pod, withKey(adding, { checkDelegates: "all" }))).expectSuccess();
    (await node.call("DEL", pod, withKey(deleting))).expectSuccess();
    expect(await nativeOf("DEL", pod)).toBe(deleting === "auto" ? 3 : 0);
    expect(await pod.network.links()).toEqual([]);
    await untilAs(before);
  },
);

test("a network of a plugin between native ones keeps its place, at once or not", async () => {
  const before = await traces(node);
  for (const attachConcurrency of [1, 4, "auto"]) {
    await using pod = await node.pod("web", "a,other,b");
    const key = withKey("auto", { attachConcurrency });
    (await node.call("ADD", pod, key)).expectSuccess();
    expect((await pod.network.links()).map(({ ifname }) => ifname).sort()).toEqual([
      "eth0",
      "net1",
      "net2",
      "net3",
    ]);
    expect(await nativeOf("ADD", pod)).toBe(3);
    (await node.call("DEL", pod, key)).expectSuccess();
    expect(await nativeOf("DEL", pod)).toBe(3);
    await untilAs(before);
  }
});

test("a DEL removes links while plugins of other networks run, and those of the cluster network behind them", async () => {
  const before = await traces(node);
  const goes = join(node.directory, "goes");
  const plugin = `exec ${join(debianPlugins, "macvlan")}`;
  installDelegate(node, "waiting", plugin, `while [ ! -e ${goes} ]; do sleep 0.01; done\n${plugin}`);
  for (const [index, name] of ["w1", "w2"].entries()) {
    node.writeMacvlan(name, `10.${85 + index}.0.0/24`, "waiting");
  }
  await using pod = await node.pod("web", "w1,a,w2");
  const key = withKey("auto", { attachConcurrency: 4 });
  (await node.call("ADD", pod, key)).expectSuccess();
  const deleting = node.call("DEL", pod, key);
  await until(
    "both plugins run",
    () => delegateCalls(node).filter(({ command }) => command === "DEL").length === 2,
  );
  const names = async () => (await pod.network.links()).map(({ ifname }) => ifname).sort();
  await vi.waitFor(async () => expect(await names()).toEqual(["eth0", "net1", "net3"]), {
    timeout: 60_000,
    interval: 10,
  });
  writeFileSync(goes, "");
  (await deleting).expectSuccess();
  expect(await names()).toEqual([]);
  expect(await nativeOf("DEL", pod)).toBe(2);
  await untilAs(before);
});

test("a daemon that is killed in such a DEL leaves a plan, by which the next DEL removes all", async () => {
  const goes = join(node.directory, "goes");
  const before = await traces(node);
  rmSync(goes);
  await using pod = await node.pod("web", "w1,a,w2");
  const key = withKey("auto", { attachConcurrency: 4, daemonWaitSeconds: 1, delOnDaemonDown: "fail" });
  (await node.call("ADD", pod, key)).expectSuccess();
  const soFar = delegateCalls(node).length;
  const deleting = node.call("DEL", pod, key);
  await until("both plugins run", () => delegateCalls(node).length === soFar + 2);
  await node.daemon.stop("SIGKILL");
  writeFileSync(goes, "");
  expect((await deleting).error.code).toBe(11);
  await node.daemon.start();
  (await node.call("DEL", pod, key)).expectSuccess();
  expect(await pod.network.links()).toEqual([]);
  await untilAs(before);
});

test("native networks behind a cluster network that is executed, and before one", async () => {
  const before = await traces(node);
  await using pod = await node.pod("web", "a,b,other,c");
  const key = { ...executedCluster(), nativeNetworks: "auto" };
  (await node.call("ADD", pod, key)).expectSuccess();
  expect((await pod.network.links()).map(({ ifname }) => ifname).sort()).toEqual([
    ...["eth0", "net1", "net2", "net3", "net4"],
  ]);
  expect(await nativeOf("ADD", pod)).toBe(3);
  (await node.call("CHECK", pod, { ...key, checkDelegates: "all" })).expectSuccess();
  (await node.call("DEL", pod, key)).expectSuccess();
  expect(await nativeOf("DEL", pod)).toBe(3);
  expect(await pod.network.links()).toEqual([]);
  await untilAs(before);
});

test("native networks behind a cluster network whose plugin fails are not made", async () => {
  const before = await traces(node);
  await using pod = await node.pod("web", "a,b");
  // That is no bridge.
  const key = { ...executedCluster({ bridge: "lo" }), nativeNetworks: "auto" };
  const { error } = await node.call("ADD", pod, key);
  expect(error.msg).toMatch(/cluster.*plugin "other-bridge" \(ADD\) failed/);
  expect(await pod.network.links()).toEqual([]);
  (await node.call("DEL", pod, key)).expectSuccess();
  await untilAs(before);
});

test("a plugin that fails in a DEL: the native networks and the cluster network go all the same", async () => {
  const before = await traces(node);
  await using pod = await node.pod("web", "a,b,other");
  const key = { ...executedCluster(), nativeNetworks: "auto" };
  (await node.call("ADD", pod, key)).expectSuccess();
  const plugin = join(node.binDir, "other-macvlan");
  rmSync(plugin);
  const { error } = await node.call("DEL", pod, { ...key, delOnDaemonDown: "fail" });
  expect(error.msg).toContain("other-macvlan");
  expect((await pod.network.links()).map(({ ifname }) => ifname)).toEqual(["net3"]);
  symlinkSync(join(debianPlugins, "macvlan"), plugin);
  (await node.call("DEL", pod, key)).expectSuccess();
  expect(await pod.network.links()).toEqual([]);
  await untilAs(before);
});

test("where the order is declined, the plugins say what is wrong, and all is undone", async () => {
  const before = await traces(node);
  await using pod = await node.pod("web", "a,b");
  await pod.network.ip("link", "add", "net2", "type", "veth", "peer", "name", "other");
  const { error } = await node.call("ADD", pod, withKey("auto"));
  expect(error).toMatchObject({ code: 4, msg: expect.stringContaining("default/b") });
  expect((await pod.network.links()).map(({ ifname }) => ifname).sort()).toEqual(["net2", "other"]);
  await pod.network.ip("link", "del", "net2");
  (await node.call("DEL", pod, withKey("auto"))).expectSuccess();
  await untilAs(before);
});

test("a DEL without its namespace removes the addresses", async () => {
  const before = await traces(node);
  const pod = await node.pod("web", "a,b");
  (await node.call("ADD", pod, withKey("auto"))).expectSuccess();
  await pod[Symbol.asyncDispose]();
  (await node.call("DEL", pod, withKey("auto"), { netns: "" })).expectSuccess();
  expect(await nativeOf("DEL", pod)).toBe(3);
  await untilAs(before);
});
