/** ATTACH_LINKS in real network namespaces: what is made, compared with what the plugins make, and what is left after an error. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type FrameBody, FrameType } from "../../src/agent/frames.ts";
import { shims } from "../shim/support/binaries.ts";
import { isRoot } from "../shim/support/links.ts";
import { ip, ip6, leftBy, NativeNode, range, range6 } from "../shim/support/native-node.ts";
import { runOrThrow } from "../support/command.ts";
import { Namespace } from "../support/namespace.ts";
import { session, sessionVariable } from "../support/session.ts";

/** A configuration of a plugin, and the link of an order that is the same. */
interface Case {
  readonly about: string;
  readonly config: (dataDir: string) => Readonly<Record<string, unknown>>;
  readonly link: (directory: string) => FrameBody;
  /** Of tuning behind the plugin; the link of the order has the same. */
  readonly tuning?: Readonly<Record<string, unknown>>;
  /** Before, in the pod and on the node. */
  readonly pod?: readonly (readonly string[])[];
  readonly node?: readonly (readonly string[])[];
  readonly fixedMac?: boolean;
}

const mac = "02:00:00:00:12:34";
const macBytes = Buffer.from("020000001234", "hex");
const bare = { sets: [], addresses: [], routes: [] };
const setting = (table: string, name: string, value: string) => ({ table, name, value });
const arpNotify = setting("ipv4/conf", "arp_notify", "1");
const acceptDad = (value: string) => setting("ipv6/conf", "accept_dad", value);
const ipv6 = [setting("ipv6/conf", "disable_ipv6", "0"), setting("ipv6/conf", "keep_addr_on_down", "1")];
const detecting = [...ipv6, setting("ipv6/conf", "enhanced_dad", "1"), acceptDad("1"), arpNotify];
/** With the settings of links that have addresses. */
const bridge = { ifName: "eth0", kind: "bridge", parent: "br0", settings: [acceptDad("0"), arpNotify] };
const macvlan = {
  ...{ ifName: "eth0", kind: "macvlan", parent: "m0", mode: 4 },
  settings: [setting("ipv6/conf", "ndisc_notify", "1"), arpNotify],
};
const ptp = { ifName: "eth0", kind: "ptp" };
const ranges4 = [[{ subnet: "10.10.0.0/24" }]];
const ranges6 = [[{ subnet: "fd00:10::/112" }]];
const hostLocal = (dataDir: string, more: Readonly<Record<string, unknown>> = {}) => ({
  ipam: { type: "host-local", dataDir, ranges: ranges4, ...more },
});
const ofStatic = (
  addresses: readonly Readonly<Record<string, string>>[],
  routes: readonly Readonly<Record<string, unknown>>[] = [],
) => ({ ipam: { type: "static", addresses, routes } });
const isDefault = { destination: ip("0.0.0.0"), prefix: 0 };
const isDefault6 = { destination: Buffer.alloc(16), prefix: 0 };
const set4 = { ranges: [range] };
const set6 = { ranges: [range6] };

const cases: readonly Case[] = [
  {
    about: "a bridge that is the gateway, with host-local and a default route",
    config: (dataDir) => ({
      ...{ type: "bridge", bridge: "br0", isGateway: true },
      ...hostLocal(dataDir, { routes: [{ dst: "0.0.0.0/0" }] }),
    }),
    link: (directory) => ({
      ...{ ...bridge, isGateway: true, directory },
      ...{ sets: [set4], addresses: [], routes: [isDefault] },
    }),
  },
  {
    about: "a bridge with hairpin mode, isolation, an MTU and a MAC address",
    config: (dataDir) => ({
      ...{ type: "bridge", bridge: "br0", hairpinMode: true, portIsolation: true, mtu: 1400 },
      ...{ args: { cni: { mac } }, ...hostLocal(dataDir) },
    }),
    link: (directory) => ({
      ...{ ...bridge, ...bare, hairpin: true, isolated: true, mtu: 1400, mac: macBytes },
      ...{ directory, sets: [set4] },
    }),
    fixedMac: true,
  },
  {
    about: "a bridge in promiscuous mode, IPv4 and IPv6 with duplicate address detection",
    config: (dataDir) => ({
      ...{ type: "bridge", bridge: "br0", enabledad: true, promiscMode: true, isGateway: true },
      ...hostLocal(dataDir, {
        ranges: [...ranges4, ...ranges6],
        routes: [{ dst: "::/0" }, { dst: "0.0.0.0/0" }],
      }),
    }),
    link: (directory) => ({
      ...{ ...bridge, settings: detecting, promiscuous: true, isGateway: true, directory },
      ...{ sets: [set4, set6], addresses: [], routes: [isDefault6, isDefault] },
    }),
    node: [["link", "set", "br0", "promisc", "on"]],
  },
  {
    about: "a bridge and IPv6 in a pod that has it disabled",
    config: (dataDir) => ({
      ...{ type: "bridge", bridge: "br0", ...hostLocal(dataDir, { ranges: ranges6 }) },
    }),
    link: (directory) => ({
      ...{ ...bridge, ...bare, directory, sets: [set6] },
      settings: [...bridge.settings, ...ipv6],
    }),
    pod: [["sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"]],
  },
  {
    about: "a bridge without addresses",
    config: () => ({ type: "bridge", bridge: "br0" }),
    link: () => ({ ...bridge, ...bare, settings: [] }),
  },
  {
    about: "a bridge with static addresses and routes of all kinds",
    config: () => ({
      ...{ type: "bridge", bridge: "br0" },
      ...ofStatic(
        [
          { address: "10.10.0.77/24" },
          { address: "10.10.0.78/32", gateway: "10.10.0.1" },
          { address: "10.11.0.2/31", gateway: "10.11.0.3" },
          { address: "fd00:10::77/112", gateway: "fd00:10::1" },
        ],
        [
          { dst: "10.99.0.0/16", gw: "10.10.0.5" },
          { dst: "10.98.0.0/16" },
          { dst: "10.98.0.0/16", priority: 77 },
          { dst: "fd00:99::/64", gw: "fd00:10::5" },
          { dst: "fd00:99::/64", gw: "fd00:10::6" },
          { dst: "fd00:98::/64", priority: 5 },
        ],
      ),
    }),
    link: () => ({
      ...{ ...bridge, settings: [...bridge.settings, ...ipv6], sets: [] },
      addresses: [
        { address: ip("10.10.0.77"), prefix: 24 },
        { address: ip("10.10.0.78"), prefix: 32, gateway: ip("10.10.0.1") },
        { address: ip("10.11.0.2"), prefix: 31, gateway: ip("10.11.0.3") },
        { address: ip6(0x77), prefix: 112, gateway: ip6(1) },
      ],
      routes: [
        { destination: ip("10.99.0.0"), prefix: 16, gateway: ip("10.10.0.5") },
        { destination: ip("10.98.0.0"), prefix: 16 },
        { destination: ip("10.98.0.0"), prefix: 16, metric: 77 },
        { destination: ip(`fd000099${"0".repeat(24)}`), prefix: 64, gateway: ip6(5) },
        { destination: ip(`fd000099${"0".repeat(24)}`), prefix: 64, gateway: ip6(6) },
        { destination: ip(`fd000098${"0".repeat(24)}`), prefix: 64, metric: 5 },
      ],
    }),
  },
  {
    about: "a bridge and the address that is asked for",
    config: (dataDir) => ({
      ...{ type: "bridge", bridge: "br0", ...hostLocal(dataDir) },
      runtimeConfig: { ips: ["10.10.0.99"] },
    }),
    link: (directory) => ({
      ...{ ...bridge, ...bare, directory, sets: [{ ...set4, requested: ip("10.10.0.99") }] },
    }),
  },
  {
    about: "a macvlan with host-local and a route through its gateway",
    config: (dataDir) => ({
      ...{ type: "macvlan", master: "m0" },
      ...hostLocal(dataDir, { routes: [{ dst: "10.99.0.0/16" }] }),
    }),
    link: (directory) => ({
      ...{ ...macvlan, directory, sets: [set4], addresses: [] },
      routes: [{ destination: ip("10.99.0.0"), prefix: 16 }],
    }),
  },
  {
    about: "a private macvlan with an MTU, a MAC address and a queue length",
    config: (dataDir) => ({
      ...{ type: "macvlan", master: "m0", mode: "private", mtu: 1300, bcqueuelen: 50 },
      ...{ mac, ...hostLocal(dataDir) },
    }),
    link: (directory) => ({
      ...{ ...macvlan, ...bare, mode: 1, mtu: 1300, queueLength: 50, mac: macBytes },
      ...{ directory, sets: [set4] },
    }),
    fixedMac: true,
  },
  {
    about: "a macvlan whose name the node has, too",
    config: (dataDir) => ({ type: "macvlan", master: "m0", mode: "vepa", ...hostLocal(dataDir) }),
    link: (directory) => ({ ...macvlan, ...bare, mode: 2, directory, sets: [set4] }),
    node: [["link", "add", "eth0", "type", "veth", "peer", "name", "eth0-peer"]],
  },
  {
    about: "a macvlan without addresses",
    config: () => ({ type: "macvlan", master: "m0", mode: "passthru" }),
    link: () => ({ ...macvlan, ...bare, mode: 8, settings: [] }),
  },
  {
    about: "a macvlan with IPv6",
    config: () => ({
      ...{ type: "macvlan", master: "m0" },
      ...ofStatic([{ address: "fd00:10::88/112", gateway: "fd00:10::1" }], [{ dst: "::/0" }]),
    }),
    link: () => ({
      ...{ ...macvlan, settings: [...macvlan.settings, ...ipv6], sets: [], routes: [isDefault6] },
      addresses: [{ address: ip6(0x88), prefix: 112, gateway: ip6(1) }],
    }),
  },
  {
    about: "a ptp with host-local, an MTU and a default route",
    config: (dataDir) => ({
      ...{ type: "ptp", mtu: 1400 },
      ...hostLocal(dataDir, { routes: [{ dst: "0.0.0.0/0" }] }),
    }),
    link: (directory) => ({
      ...{ ...ptp, directory, mtu: 1400 },
      ...{ sets: [set4], addresses: [], routes: [isDefault] },
    }),
  },
  {
    about: "a ptp with IPv4 and IPv6, and routes",
    config: (dataDir) => ({
      type: "ptp",
      ...hostLocal(dataDir, {
        ranges: [...ranges4, ...ranges6],
        routes: [{ dst: "::/0" }, { dst: "10.99.0.0/16", gw: "10.10.0.5" }],
      }),
    }),
    link: (directory) => ({
      ...{ ...ptp, settings: ipv6, directory, sets: [set4, set6], addresses: [] },
      routes: [isDefault6, { destination: ip("10.99.0.0"), prefix: 16, gateway: ip("10.10.0.5") }],
    }),
  },
  {
    about: "a ptp with static addresses whose gateway is elsewhere",
    config: () => ({
      type: "ptp",
      ...ofStatic([
        { address: "10.11.0.5/16", gateway: "10.11.255.254" },
        { address: "10.12.3.9/31", gateway: "169.254.1.1" },
      ]),
    }),
    link: () => ({
      ...{ ...ptp, sets: [], routes: [] },
      addresses: [
        { address: ip("10.11.0.5"), prefix: 16, gateway: ip("10.11.255.254") },
        { address: ip("10.12.3.9"), prefix: 31, gateway: ip("169.254.1.1") },
      ],
    }),
  },
  {
    about: "a bridge with all that tuning changes",
    config: (dataDir) => ({ type: "bridge", bridge: "br0", ...hostLocal(dataDir) }),
    tuning: {
      sysctl: { "net.ipv4.conf.IFNAME.arp_ignore": "2", "net/ipv6/conf/IFNAME/hop_limit": "33" },
      ...{ mac, mtu: 1300, promisc: true, allmulti: true, txQLen: 77 },
    },
    link: (directory) => ({
      ...{ ...bridge, ...bare, directory, sets: [set4] },
      settings: [
        ...bridge.settings,
        { ...setting("ipv4/conf", "arp_ignore", "2"), isTuning: true },
        { ...setting("ipv6/conf", "hop_limit", "33"), isTuning: true },
      ],
      tuning: { mac: macBytes, mtu: 1300, queueLength: 77, flags: 0x300, changedFlags: 0x300 },
    }),
    fixedMac: true,
  },
  {
    about: "a ptp with settings of tuning",
    config: (dataDir) => ({ type: "ptp", ...hostLocal(dataDir) }),
    tuning: { sysctl: { "net.ipv4.neigh.IFNAME.gc_stale_time": "11" } },
    link: (directory) => ({
      ...{ ...ptp, ...bare, directory, sets: [set4], tuning: {} },
      settings: [{ ...setting("ipv4/neigh", "gc_stale_time", "11"), isTuning: true }],
    }),
  },
  {
    about: "a macvlan without a queue, and without all multicast",
    config: (dataDir) => ({ type: "macvlan", master: "m0", ...hostLocal(dataDir) }),
    tuning: { allmulti: false, txQLen: 0 },
    link: (directory) => ({
      ...{ ...macvlan, ...bare, directory, sets: [set4] },
      tuning: { queueLength: 0, changedFlags: 0x200 },
    }),
  },
];

/** The addresses of a plugin's result, as `ip/prefix via gateway`. */
function addressesOf(result: Readonly<Record<string, unknown>>): string[] {
  const ips = (result.ips ?? []) as { readonly address: string; readonly gateway?: string }[];
  return ips.map(({ address, gateway = "-" }) => `${address} via ${gateway}`);
}

const textOf = (address: Buffer): string =>
  address.length === 4 ? [...address].join(".") : `fd00:10::${address.readUInt16BE(14).toString(16)}`;

interface Made {
  readonly mac: Buffer;
  readonly hostName?: string;
  readonly hostMac?: Buffer;
  readonly parentMac?: Buffer;
  readonly micros: number;
  readonly addresses: readonly {
    readonly address: Buffer;
    readonly prefix: number;
    readonly gateway?: Buffer;
  }[];
}

const macText = (bytes: Buffer | undefined) => bytes?.toString("hex").replace(/(..)(?=.)/g, "$1:");

describe.runIf(isRoot).each(shims)("links that are made, $name shim", ({ binary }) => {
  test.each(cases)(
    "are what the plugin makes: $about",
    async ({ config, link, tuning, pod = [], node: lines = [], fixedMac }) => {
      await using node = await NativeNode.create(binary);
      for (const line of lines) await node.namespace.ip(...line);
      const snapshots: unknown[] = [];
      const results: string[][] = [];
      for (const isNative of [false, true]) {
        await using namespace = await Namespace.create("pod");
        for (const line of pod) await namespace.run(line);
        node.makeNetwork("n");
        const backups = node.makeNetwork("tuning");
        const ofTuning = { type: "tuning", dataDir: backups, ...tuning };
        let hostName: string | undefined;
        if (isNative) {
          const wanted = link(node.directory());
          const hasBackup = Object.keys(Object(wanted.tuning)).length > 0;
          const answer = await node.attach(namespace, [{ ...wanted, ...(hasBackup ? { backups } : {}) }]);
          expect(answer, JSON.stringify(answer)).not.toHaveProperty("error");
          const [made] = answer.links as Made[];
          if (made === undefined) throw new Error("no link");
          hostName = made.hostName;
          results.push(
            made.addresses.map(
              ({ address, prefix, gateway }) =>
                `${textOf(address)}/${prefix} via ${gateway === undefined ? "-" : textOf(gateway)}`,
            ),
          );
          // The answer says what there is.
          if (tuning?.mac === undefined) {
            expect((await namespace.link("eth0")).address).toBe(macText(made.mac));
          }
          if (hostName !== undefined) {
            expect((await node.namespace.link(hostName)).address).toBe(macText(made.hostMac));
          }
          if (wanted.kind === "bridge") {
            expect((await node.namespace.link("br0")).address).toBe(macText(made.parentMac));
          }
        } else {
          const result = await node.plugin("ADD", namespace, "eth0", config(node.dataDir));
          const interfaces = result.interfaces as { readonly name: string }[];
          hostName = interfaces.at(-2)?.name;
          if (tuning !== undefined) {
            await node.plugin("ADD", namespace, "eth0", { ...ofTuning, prevResult: result });
          }
          results.push(addressesOf(result));
        }
        snapshots.push(
          await leftBy(node, namespace, hostName, { fixedMac: fixedMac ?? false, networks: ["n", "tuning"] }),
        );
        // One checks and removes the links that the other has made.
        if (tuning !== undefined) await node.plugin("DEL", namespace, "eth0", ofTuning);
        await node.plugin("DEL", namespace, "eth0", config(node.dataDir));
        expect(await namespace.links()).toEqual([]);
        expect(Object.keys(node.files("tuning"))).toEqual(["lock"]);
        expect(Object.keys(node.files()).filter((name) => !/^l/.test(name))).toEqual([]);
        rmSync(node.directory(), { recursive: true });
      }
      expect(snapshots[1]).toEqual(snapshots[0]);
      expect(results[1]).toEqual(results[0]);
    },
  );

  test("go into one order, each with its address, and are found in their order", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const links = Array.from({ length: 64 }, (_, index) => ({
      ...(index % 8 === 0 ? bridge : macvlan),
      ...{ ...bare, ifName: `net${index}`, directory: node.directory(), sets: [set4] },
    }));
    const answer = await node.attach(pod, links);
    expect(answer, JSON.stringify(answer)).not.toHaveProperty("error");
    const made = answer.links as Made[];
    const there = await pod.links();
    expect(made.map(({ addresses }) => addresses.map(({ address }) => textOf(address)))).toEqual(
      links.map((_, index) => [`10.10.0.${index + 2}`]),
    );
    expect(made.map(({ mac }) => macText(mac))).toEqual(
      links.map(({ ifName }) => there.find(({ ifname }) => ifname === ifName)?.address),
    );
    expect(await node.detach(pod, links)).toEqual({});
    expect(await pod.links()).toEqual([]);
    expect(Object.keys(node.files())).toEqual(["last_reserved_ip.0", "lock"]);
  });

  test("are made although the namespace's owner sends to the shim's socket without end", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const program = join(node.dataDir, "netlink-flood");
    await runOrThrow([
      "cc",
      "-O1",
      "-o",
      program,
      join(import.meta.dirname, "../shim/support/netlink-flood.c"),
    ]);
    const links = [second(node), second(node, { ...macvlan, ifName: "net2" })];
    const { stream, child } = await node.call(pod);
    const [command = "", ...words] = pod.enter(program, String(child.pid));
    const flood = spawn(command, words, { env: { ...process.env, [sessionVariable]: session } });
    await once(flood.stdout, "data");
    const plugins = node.pluginFiles("bridge", "macvlan", "host-local");
    const answer = await stream.order(FrameType.attachLinks, { netns: pod.path, plugins, links });
    flood.kill("SIGKILL");
    await once(flood, "close");
    expect(answer).not.toHaveProperty("error");
    expect((await pod.links()).map(({ ifname }) => ifname)).toEqual(["net1", "net2"]);
  });

  test("get the addresses that host-local gives, and none of its gateways, whatever was released", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const subnets = [
      { subnet: "10.10.0.0/24", rangeStart: "10.10.0.1", rangeEnd: "10.10.0.3", gateway: "10.10.0.2" },
      { subnet: "10.12.0.0/24", rangeStart: "10.12.0.8", rangeEnd: "10.12.0.9" },
    ];
    const ranges = [
      { first: ip("10.10.0.1"), last: ip("10.10.0.3"), gateway: ip("10.10.0.2"), prefix: 24 },
      { first: ip("10.12.0.8"), last: ip("10.12.0.9"), gateway: ip("10.12.0.1"), prefix: 24 },
    ];
    const config = {
      type: "host-local",
      name: "plugin",
      ipam: {
        ...{ type: "host-local", dataDir: node.dataDir },
        ranges: [subnets, [{ subnet: "fd00:10::/112" }]],
      },
    };
    const [ofPlugin, ours] = [node.makeNetwork("plugin"), node.makeNetwork("ours")];
    const link = { ...bridge, ...bare, directory: ours, sets: [{ ranges }, set6] };
    // Letters: + takes one, a digit releases what that one has.
    for (const [step, what] of [..."+++1+0+2+3+45+6+++"].entries()) {
      if (what === "+") {
        const containerId = `c${[..."+++1+0+2+3+45+6+++"].slice(0, step).filter((one) => one === "+").length}`;
        const plugin = await node
          .plugin("ADD", pod, "eth0", config, containerId)
          .then(addressesOfAny, () => "none");
        const answer = await node.attach(pod, [link], { containerId });
        const native = answer.error === undefined ? textsOf(answer) : "none";
        if (native !== "none") await pod.ip("link", "del", "eth0");
        expect(native, `step ${step}`).toEqual(plugin);
      } else {
        await node.plugin("DEL", pod, "eth0", config, `c${what}`);
        expect(await node.detach("", [link], { containerId: `c${what}` })).toEqual({});
      }
      expect(node.files("ours"), `step ${step}`).toEqual(node.files("plugin"));
    }
    expect(ofPlugin).not.toBe(ours);
  });
});

/** The addresses that host-local gives. */
const addressesOfAny = (result: Readonly<Record<string, unknown>>) => addressesOf(result).join(" ");
const textsOf = (answer: FrameBody) =>
  (answer.links as Made[])
    .flatMap(({ addresses }) => addresses)
    .map(
      ({ address, prefix, gateway }) => `${textOf(address)}/${prefix} via ${textOf(gateway ?? Buffer.of())}`,
    )
    .join(" ");

/** Something that is not as the plugins leave it. */
interface Obstacle {
  readonly about: string;
  /** @returns what ends it */
  readonly prepare?: (node: NativeNode, pod: Namespace) => Promise<void> | void;
  readonly link?: (node: NativeNode) => FrameBody;
  readonly says: RegExp;
  readonly error?: string;
}

const first = (node: NativeNode) => ({
  ...{ ...bridge, isGateway: true, directory: node.makeNetwork("first") },
  ...{ sets: [set4], addresses: [], routes: [isDefault] },
});
const second = (node: NativeNode, over: FrameBody = {}) => ({
  ...{ ...bridge, ...bare, ifName: "net1", directory: node.directory(), sets: [set4], ...over },
});

const obstacles: readonly Obstacle[] = [
  {
    about: "no bridge",
    link: (node) => second(node, { parent: "br1" }),
    says: /br1: looking for it: No such device/,
  },
  { about: "a bridge that is none", link: (node) => second(node, { parent: "m0" }), says: /m0 is no bridge/ },
  {
    about: "a bridge that is down",
    prepare: async (node) => void (await node.namespace.ip("link", "add", "br1", "type", "bridge")),
    link: (node) => second(node, { parent: "br1" }),
    says: /br1 is down/,
  },
  {
    about: "a bridge that is not promiscuous",
    link: (node) => second(node, { promiscuous: true }),
    says: /br0 is not promiscuous/,
  },
  {
    about: "a bridge that accepts router advertisements",
    prepare: (node) => node.set("net.ipv6.conf.br0.accept_ra=1"),
    says: /br0 accepts router advertisements/,
  },
  {
    about: "a bridge without the gateway's address",
    prepare: async (node) => void (await node.namespace.ip("addr", "del", "10.10.0.1/24", "dev", "br0")),
    says: /br0 does not have the address of a gateway/,
  },
  {
    about: "a gateway's address with another prefix",
    link: (node) => second(node, { isGateway: true, sets: [{ ranges: [{ ...range, prefix: 16 }] }] }),
    says: /br0 does not have the address of a gateway/,
  },
  {
    about: "a bridge with another address before the gateway's",
    prepare: async ({ namespace }) => {
      await namespace.ip("addr", "del", "10.10.0.1/24", "dev", "br0");
      for (const address of ["10.9.0.1/24", "10.10.0.1/24"])
        await namespace.ip("addr", "add", address, "dev", "br0");
    },
    says: /br0 does not have the address of a gateway/,
  },
  {
    about: "a node that does not forward",
    prepare: (node) => node.set("net.ipv4.ip_forward=0"),
    says: /eth0 has a gateway on the node, which does not forward/,
  },
  {
    about: "a node of a ptp that does not forward",
    prepare: (node) => node.set("net.ipv6.conf.all.forwarding=0"),
    link: (node) => second(node, { kind: "ptp", parent: null, sets: [set6] }),
    says: /net1 has a gateway on the node, which does not forward/,
  },
  {
    about: "a ptp without a gateway",
    link: (node) =>
      second(node, { kind: "ptp", parent: null, sets: [{ ranges: [{ ...range, gateway: null }] }] }),
    says: /net1 has no gateway/,
  },
  {
    about: "a ptp whose address has no network",
    link: (node) =>
      second(node, { kind: "ptp", parent: null, sets: [{ ranges: [{ ...range, prefix: 32 }] }] }),
    says: /net1: removing a route: No such process/,
  },
  {
    about: "two addresses of a ptp with one gateway",
    link: (node) =>
      second(node, {
        ...{ kind: "ptp", parent: null, sets: [], directory: null },
        addresses: [2, 3].map((last) => ({
          ...{ address: ip(`10.77.${last}.9`), prefix: 24, gateway: ip("10.77.0.1") },
        })),
      }),
    says: /net1: adding a route: File exists/,
  },
  {
    about: "a setting that the kernel does not have",
    link: (node) =>
      second(node, {
        settings: [{ ...setting("ipv4/conf", "none", "1"), isTuning: true }],
        tuning: {},
      }),
    says: /net1: writing none: No such file/,
  },
  {
    about: "a value that the kernel refuses",
    link: (node) =>
      second(node, {
        settings: [{ ...setting("ipv6/conf", "hop_limit", "many"), isTuning: true }],
        tuning: {},
      }),
    says: /net1: writing hop_limit: Invalid argument/,
  },
  {
    about: "no directory for tuning's file",
    link: (node) => second(node, { tuning: { mtu: 1400 }, backups: `${node.dataDir}/none` }),
    says: /net1: tuning it: No such file/,
  },
  {
    about: "a file of tuning's that is there already",
    prepare: (node) => writeFileSync(join(node.dataDir, "container1_net1.json"), "{}"),
    link: (node) => second(node, { tuning: { mtu: 1400 }, backups: node.dataDir }),
    says: /net1: tuning it: File exists/,
  },
  {
    about: "a MAC address of tuning's that the kernel refuses",
    link: (node) =>
      second(node, { tuning: { mac: Buffer.from("010000000001", "hex") }, backups: node.dataDir }),
    says: /net1: tuning it: /,
  },
  {
    about: "a bridge by another name than its own",
    prepare: async (node) => {
      await node.namespace.ip("link", "property", "add", "dev", "br0", "altname", "br1");
    },
    link: (node) => second(node, { parent: "br1" }),
    says: /br1 is another name of br0/,
  },
  {
    about: "no master",
    link: (node) => second(node, { ...macvlan, ifName: "net1", parent: "m1" }),
    says: /m1: looking for it: No such device/,
  },
  {
    about: "an MTU beyond the master's",
    link: (node) => second(node, { ...macvlan, ifName: "net1", mtu: 1501 }),
    says: /m0 has a smaller MTU/,
  },
  {
    about: "a master that is another's in passthru mode",
    link: (node) => second(node, { ...macvlan, ifName: "net1", mode: 8 }),
    prepare: async (node, pod) => {
      await node.namespace.ip("link", "add", "mv0", "link", "m0", "type", "macvlan", "mode", "bridge");
      void pod;
    },
    says: /net1: making it: /,
  },
  {
    about: "a name that is taken",
    prepare: async (_node, pod) => {
      await pod.ip("link", "add", "net1", "type", "veth", "peer", "name", "peer");
    },
    says: /interface net1 is already there in/,
    error: "link-exists",
  },
  {
    about: "a macvlan's name that is taken as another name",
    prepare: async (_node, pod) => {
      await pod.ip("link", "add", "other", "type", "veth", "peer", "name", "peer");
      await pod.ip("link", "property", "add", "dev", "other", "altname", "net1");
    },
    link: (node) => second(node, { ...macvlan, ifName: "net1" }),
    says: /interface net1 is already there in/,
    error: "link-exists",
  },
  {
    about: "no directory",
    link: (node) => second(node, { directory: `${node.dataDir}/none` }),
    says: /cannot use .*none: No such file/,
  },
  {
    about: "no lock in the directory",
    prepare: (node) => rmSync(`${node.directory()}/lock`),
    says: /cannot use .*: No such file/,
  },
  {
    about: "a lock that is a symbolic link",
    prepare: (node) => {
      rmSync(`${node.directory()}/lock`);
      symlinkSync("/dev/null", `${node.directory()}/lock`);
    },
    says: /cannot use .*: Too many levels of symbolic links/,
  },
  {
    about: "a symbolic link in the directory's path",
    prepare: (node) => symlinkSync(node.dataDir, `${node.plugins}/link`),
    link: (node) => second(node, { directory: `${node.plugins}/link/n` }),
    says: /cannot use .*: Not a directory/,
  },
  {
    about: "a directory that is a symbolic link",
    prepare: (node) => symlinkSync(node.directory(), `${node.dataDir}/link`),
    link: (node) => second(node, { directory: `${node.dataDir}/link` }),
    says: /cannot use .*: Not a directory/,
  },
  {
    about: "a last address that is a symbolic link",
    prepare: (node) => symlinkSync("/etc/planted", `${node.directory()}/last_reserved_ip.0`),
    says: /cannot write last_reserved_ip.0: Too many levels of symbolic links/,
  },
  {
    about: "a range that is used up",
    prepare: (node) => writeFileSync(`${node.directory()}/10.10.0.9`, "other\r\neth0"),
    link: (node) =>
      second(node, {
        sets: [set6, { ranges: [{ ...range, first: ip("10.10.0.9"), last: ip("10.10.0.9") }] }],
      }),
    says: /no address of range set 1 can be taken \(last tried: 10.10.0.9\): File exists/,
  },
  {
    about: "an address asked for that is taken",
    prepare: (node) => writeFileSync(`${node.directory()}/10.10.0.9`, "other\r\neth0"),
    link: (node) => second(node, { sets: [{ ...set4, requested: ip("10.10.0.9") }] }),
    says: /no address of range set 0 can be taken \(last tried: 10.10.0.9\): File exists/,
  },
  ...["10.10.0.1", "10.11.0.1"].map((address) => ({
    about: `an address asked for that cannot be: ${address}`,
    link: (node: NativeNode) => second(node, { sets: [{ ...set4, requested: ip(address) }] }),
    says: /the address asked for is in no range of set 0, or is its gateway/,
  })),
  ...["container1\r\nnet1", "container1", " container1\r\nnet1\n"].map((content) => ({
    about: `a file of this container: ${JSON.stringify(content)}`,
    prepare: (node: NativeNode) => writeFileSync(`${node.directory()}/10.77.0.9`, content),
    says: /the interface has an address in .* already/,
  })),
  {
    about: "a route that the kernel refuses",
    link: (node) =>
      second(node, { routes: [{ destination: ip("10.99.0.0"), prefix: 16, gateway: ip("192.168.0.1") }] }),
    says: /net1: adding a route: Network is unreachable/,
  },
  {
    about: "an address that the kernel refuses",
    link: (node) =>
      second(node, {
        ...{ sets: [], directory: null },
        addresses: Array(2).fill({ address: ip("10.10.0.9"), prefix: 24 }),
      }),
    says: /net1: adding an address: File exists/,
  },
  {
    about: "a MAC address that the kernel refuses",
    link: (node) => second(node, { mac: Buffer.from("010000000001", "hex") }),
    says: /net1: making it: /,
  },
];

describe.runIf(isRoot).each(shims)("links that cannot be made, $name shim", ({ binary }) => {
  /** Nothing of an order is left. */
  async function expectNothingOf(node: NativeNode, pod: Namespace, before: unknown): Promise<void> {
    expect(await whatIsThere(node, pod)).toEqual(before);
  }

  async function whatIsThere(node: NativeNode, pod: Namespace): Promise<unknown> {
    const names = (links: readonly { readonly ifname: string }[]) => links.map(({ ifname }) => ifname).sort();
    return {
      pod: names(await pod.links()),
      routes: await pod.routes(),
      node: names(await node.namespace.links()),
      files: readdirSync(node.dataDir, { recursive: true, encoding: "utf8" }).sort(),
    };
  }

  test.each(obstacles)(
    "are left to the plugins: $about",
    async ({ prepare, link, says, error = "unsuited" }) => {
      await using node = await NativeNode.create(binary);
      await using pod = await Namespace.create("pod");
      const links = [first(node), (link ?? second)(node)];
      await prepare?.(node, pod);
      const before = await whatIsThere(node, pod);
      expect(await node.attach(pod, links)).toEqual({ error, message: expect.stringMatching(says) });
      await expectNothingOf(node, pod, before);
      expect(existsSync("/etc/planted")).toBe(false);
    },
  );

  // A bridge whose only port is taken away has no MAC address, and the bridge plugin cannot give it an address then.
  test("leave a bridge without a gateway's address as it is", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    await node.namespace.ip("addr", "flush", "dev", "br0");
    const before = (await node.namespace.link("br0")).address;
    expect(await node.attach(pod, [second(node, { isGateway: true })])).toMatchObject({ error: "unsuited" });
    expect((await node.namespace.link("br0")).address).toBe(before);
  });

  test("have host-local begin where it would have begun", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const last = () => node.files()["last_reserved_ip.0"];
    writeFileSync(`${node.directory()}/last_reserved_ip.0`, "10.10.0.70", { mode: 0o600 });
    const links = [
      second(node),
      second(node, { ifName: "net2", sets: [{ ...set4, requested: ip("10.10.0.9") }] }),
      second(node, { ifName: "net3", parent: "br0", mac: Buffer.from("010000000001", "hex") }),
    ];
    expect(await node.attach(pod, links)).toMatchObject({ error: "unsuited" });
    expect(last()).toBe("600 10.10.0.70");
    expect(await node.attach(pod, links.slice(0, 2))).not.toHaveProperty("error");
    expect(last()).toBe("600 10.10.0.9");
  });

  test("are left to the plugins where one's file is another one, or is gone", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const { stream } = await node.call(pod);
    const [file, ...others] = node.pluginFiles("bridge", "host-local");
    for (const [plugin, says] of [
      [{ ...file, fileState: `${String(file?.fileState)}1` }, /bridge has changed/],
      [{ ...file, fileState: "" }, /bridge has changed/],
      [{ ...file, plugin: "bridge2" }, /no executable file "bridge2"/],
    ] as const) {
      const body = { netns: pod.path, plugins: [file, plugin, ...others], links: [first(node)] };
      expect(await stream.order(FrameType.attachLinks, body)).toEqual({
        error: "unsuited",
        message: expect.stringMatching(says),
      });
    }
    expect(await pod.links()).toEqual([]);
  });

  test("are left to the plugins where there is a list of the settings that tuning may make", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const hidden =
      "mount -t tmpfs none /etc && mkdir -p /etc/cni/tuning && touch /etc/cni/tuning/allowlist.conf";
    const { stream } = await node.call(pod, "ADD", "container1", [
      ...["unshare", "--mount", "sh", "-c", `${hidden} && exec "$0"`],
    ]);
    const before = await whatIsThere(node, pod);
    const links = [{ ...second(node), tuning: {} }];
    const body = { netns: pod.path, plugins: node.pluginFiles("bridge", "host-local", "tuning"), links };
    expect(await stream.order(FrameType.attachLinks, body)).toEqual({
      error: "unsuited",
      message: "ATTACH_LINKS: /etc/cni/tuning/allowlist.conf is there",
    });
    await expectNothingOf(node, pod, before);
  });

  test("are left to the plugins where host-local's lock is held", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const holder = spawn("flock", [`${node.directory()}/lock`, "sh", "-c", "echo held; cat"], {
      env: { ...process.env, [sessionVariable]: session },
    });
    await once(holder.stdout, "data");
    const before = await whatIsThere(node, pod);
    expect(await node.attach(pod, [second(node)])).toEqual({
      error: "unsuited",
      message: expect.stringMatching(/cannot use .*: Connection timed out/),
    });
    await expectNothingOf(node, pod, before);
    const waiting = node.attach(pod, [second(node)]);
    holder.stdin.end();
    await once(holder, "close");
    expect(await waiting).not.toHaveProperty("error");
  });

  test("are left to the plugins where another host has the address", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const link = { ...second(node), sets: [], settings: detecting };
    const before = await whatIsThere(node, pod);
    expect(
      await node.attach(pod, [{ ...link, addresses: [{ address: ip6(1), prefix: 112, gateway: ip6(1) }] }]),
    ).toEqual({
      error: "unsuited",
      message: expect.stringMatching(/net1 has an address that another host has/),
    });
    await expectNothingOf(node, pod, before);
  });

  test("give no address back that another container has taken meanwhile", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const held = node.makeNetwork("held");
    const taken = join(node.directory(), "10.10.0.2");
    const holder = spawn("flock", [`${held}/lock`, "sh", "-c", "echo held; cat"], {
      env: { ...process.env, [sessionVariable]: session },
    });
    await once(holder.stdout, "data");
    const answer = node.attach(pod, [second(node), second(node, { ifName: "net2", directory: held })]);
    while (!existsSync(taken)) await new Promise(setImmediate);
    // As host-local does when the container is removed meanwhile, and another one comes.
    rmSync(taken);
    writeFileSync(taken, "container2\r\neth0");
    expect(await answer).toEqual({ error: "unsuited", message: expect.stringMatching(/cannot use .*held/) });
    holder.stdin.end();
    await once(holder, "close");
    expect(readFileSync(taken, "utf8")).toBe("container2\r\neth0");
    expect(await pod.links()).toEqual([]);
  });

  test("leave nothing where the shim may open no more files", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const before = await whatIsThere(node, pod);
    const links = Array.from({ length: 16 }, (_, index) => second(node, { ifName: `net${index}` }));
    const { stream, child } = await node.call(pod);
    await runOrThrow(["prlimit", `--pid=${child.pid}`, "--nofile=16"]);
    const body = { netns: pod.path, plugins: node.pluginFiles("bridge", "host-local"), links };
    expect(await stream.order(FrameType.attachLinks, body)).toEqual({
      error: "unsuited",
      message: expect.stringMatching(/Too many open files/),
    });
    await expectNothingOf(node, pod, before);
  });

  test("fail where the namespace has become the shim's own", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const path = join(node.dataDir, "netns");
    symlinkSync(pod.path, path);
    const { stream } = await node.call(path);
    rmSync(path);
    symlinkSync(node.namespace.path, path);
    const before = await whatIsThere(node, pod);
    const body = { netns: path, plugins: node.pluginFiles("bridge", "host-local"), links: [second(node)] };
    expect(await stream.order(FrameType.attachLinks, body)).toEqual({
      error: "netns",
      message: expect.stringMatching(/netns is the plugin's own network namespace/),
    });
    await expectNothingOf(node, pod, before);
  });

  test("fail in a namespace that is none", async () => {
    await using node = await NativeNode.create(binary);
    await using pod = await Namespace.create("pod");
    const gone = `${pod.path}-gone`;
    const { stream } = await node.call(gone);
    const body = { netns: gone, plugins: node.pluginFiles("bridge", "host-local"), links: [first(node)] };
    expect(await stream.order(FrameType.attachLinks, body)).toEqual({
      error: "netns",
      message: expect.stringMatching(/cannot open network namespace .*-gone: No such file/),
    });
  });
});
