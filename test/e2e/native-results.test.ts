/** Results of native networks are, byte for byte, those of the plugins that they stand for: each configuration is run by the real plugins, and what they made is printed once more by ours. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import type { LinkAddress, MadeLink } from "../../src/agent/executor.ts";
import { ExpectedError } from "../../src/base/input-error.ts";
import { isJsonObject } from "../../src/base/json.ts";
import { formatCniArgs } from "../../src/cni/args.ts";
import { parseNetworkConfig } from "../../src/cni/config.ts";
import { pluginStdin } from "../../src/cni/kernel-failure.ts";
import type { NetworkConfigList, RuntimeConf } from "../../src/cni/types.ts";
import { loadKernels } from "../../src/kernels/load.ts";
import { parseAddress, parseMac } from "../../src/native/address.ts";
import { type NativeAttachment, recognize } from "../../src/native/recognition.ts";
import { resultBytes } from "../../src/native/result.ts";
import {
  args,
  capabilityArgs,
  configs,
  versions as generatedVersions,
} from "../generated/arbitraries/native.ts";
import { Namespace } from "../support/namespace.ts";
import { referencePluginPath } from "../support/reference-plugins.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

type Json = Readonly<Record<string, unknown>>;

const kernels = loadKernels();
const versions = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

let node: Namespace;
let directory: ScratchDirectory;
let pluginPath: string;
let attachments = 0;

beforeAll(async () => {
  pluginPath = await referencePluginPath();
  directory = new ScratchDirectory("ipam");
  node = await Namespace.create("node");
  await node.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth1p");
  for (const link of ["eth1", "eth1p"]) await node.ip("link", "set", link, "up");
}, 300_000);

afterAll(async () => {
  await node[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

interface Asked {
  readonly args?: readonly (readonly [string, string])[];
  readonly capabilityArgs?: Uint8Array | undefined;
}

/** undefined: it is refused before anybody asks whether it is native. */
function networkOf(text: string, name: string): NetworkConfigList | undefined {
  try {
    return parseNetworkConfig(Buffer.from(text), name, kernels);
  } catch (error) {
    if (error instanceof ExpectedError) return undefined;
    throw error;
  }
}

interface Outcome {
  readonly theirs: string;
  /** "" where the plugins have failed. */
  readonly ours: string;
}

/** An ADD by the real plugins. @returns their bytes, and those of ours for what they have made; undefined: it is not native */
async function both(config: Json, cniVersion: string, asked: Asked): Promise<Outcome | undefined> {
  await using pod = await Namespace.create("pod");
  attachments += 1;
  const name = `n${attachments}`;
  const text = JSON.stringify({ cniVersion, name, ...config });
  const list = networkOf(text, name);
  if (list === undefined) return undefined;
  const runtime: RuntimeConf = {
    containerId: `c${attachments}`,
    netns: pod.path,
    ifName: "net1",
    args: [["IgnoreUnknown", "true"], ...(asked.args ?? [])],
    capabilityArgs: asked.capabilityArgs,
  };
  const recognized = recognize(list, runtime);
  if (typeof recognized === "string") return undefined;

  const env = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: runtime.containerId,
    CNI_NETNS: runtime.netns,
    CNI_IFNAME: runtime.ifName,
    CNI_ARGS: formatCniArgs(runtime.args),
    CNI_PATH: pluginPath,
    PATH: process.env.PATH,
  };
  let prevResult: Uint8Array | undefined;
  for (const plugin of list.plugins) {
    const stdin = pluginStdin(kernels, {
      name,
      cniVersion,
      plugin: plugin.bytes,
      prevResult,
      runtimeConfig: runtime.capabilityArgs,
    });
    const program = pluginPath.split(":").find((each) => each.includes(`/${plugin.type}-`));
    const { stdout, exitCode } = await node.run([`${program}/${plugin.type}`], { env, stdin });
    if (exitCode !== 0) return { theirs: stdout.toString(), ours: "" };
    prevResult = stdout;
  }
  const theirs = Buffer.from(prevResult ?? []).toString();
  const ours = resultBytes(recognized, madeBy(recognized, theirs), cniVersion, runtime.netns);
  return { theirs, ours: Buffer.from(ours).toString() };
}

interface Result {
  readonly interfaces: readonly { readonly name: string; readonly mac: string }[];
  readonly ips?: readonly { readonly address: string }[];
}

/** The shim's answer: MAC addresses, the random name, and which address of a set it is come from the plugins, everything else from the link as it is planned. */
function madeBy({ link }: NativeAttachment, theirs: string): MadeLink {
  const result: Result = JSON.parse(theirs);
  const mac = (index: number) => parseMac(result.interfaces[index]?.mac ?? "") ?? new Uint8Array();
  const isVeth = link.kind !== "macvlan";
  const own = result.interfaces.length - 1;
  return {
    mac: mac(own),
    addresses: link.addresses.length > 0 ? link.addresses : fromSets(link.sets, result),
    milliseconds: 0,
    hostName: isVeth ? (result.interfaces[own - 1]?.name ?? "") : "",
    hostMac: isVeth ? mac(own - 1) : new Uint8Array(),
    parentMac: link.kind === "bridge" ? mac(0) : new Uint8Array(),
  };
}

function fromSets(sets: NativeAttachment["link"]["sets"], { ips = [] }: Result): LinkAddress[] {
  return sets.map(({ requested, ranges }, index) => {
    const address = parseAddress(ips[index]?.address.split("/")[0] ?? "");
    const range = ranges.find(
      ({ first, last }) =>
        address !== undefined && Buffer.compare(first, address) <= 0 && Buffer.compare(address, last) <= 0,
    );
    if (address === undefined || range === undefined)
      throw new Error(`${ips[index]?.address} is in no range`);
    if (requested !== undefined) expect(address).toEqual(requested);
    return { address, prefix: range.prefix, gateway: range.gateway };
  });
}

const hostLocal = (more: Json): Json => ({
  ipam: { type: "host-local", dataDir: directory.path, ...more },
});
const dns = {
  nameservers: ["10.0.0.10", "fd00::10"],
  domain: "cluster.local & <more>\u2028",
  search: ["a", "b"],
  options: ["ndots:5"],
};
const routes = [
  { dst: "192.168.0.0/16" },
  { dst: "192.169.0.0/16", gw: "10.1.0.9", priority: 5 },
  { dst: "2001:DB8:0:0::/64" },
];
const dual = {
  ranges: [[{ subnet: "10.1.0.0/16", rangeStart: "10.1.0.7" }], [{ subnet: "fd00:1:0:0:1::/80" }]],
};

const tuned = (plugin: Json, tuning: Json): Json => ({
  plugins: [plugin, { type: "tuning", dataDir: directory.path, ...tuning }],
});

const configurations: readonly (readonly [string, () => Json, Asked?])[] = [
  ["bridge, layer 2", () => ({ type: "bridge", bridge: "l2" })],
  ["bridge, layer 2 with dns", () => ({ type: "bridge", bridge: "l2", isGateway: true, dns })],
  [
    "bridge with host-local",
    () => ({ type: "bridge", bridge: "hl", ...hostLocal({ subnet: "10.1.0.0/16" }) }),
  ],
  [
    "bridge as default gateway of both families",
    () => ({ type: "bridge", bridge: "gw", isDefaultGateway: true, dns, ...hostLocal({ ...dual, routes }) }),
  ],
  [
    "bridge with a default route of its own",
    () => ({
      type: "bridge",
      bridge: "own",
      isDefaultGateway: true,
      hairpinMode: true,
      ...hostLocal({ subnet: "10.1.0.0/16", routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1", priority: 7 }] }),
    }),
  ],
  [
    "bridge with static, whose dns counts",
    () => ({
      type: "bridge",
      bridge: "st",
      isGateway: true,
      ipam: {
        type: "static",
        addresses: [{ address: "10.3.0.5/16" }, { address: "fd00:3::5/64" }],
        routes: [],
        dns,
      },
    }),
  ],
  [
    "bridge with static, whose dns does not count",
    () => ({
      type: "bridge",
      bridge: "std",
      dns: { search: [] },
      ipam: { type: "static", addresses: [{ address: "10.3.0.5/16", gateway: "10.3.0.1" }], dns },
    }),
  ],
  [
    "ptp with host-local",
    () => ({ type: "ptp", dns, ...hostLocal({ subnet: "10.1.0.0/16", routes: routes.slice(0, 2) }) }),
  ],
  [
    "ptp with static, whose dns counts",
    () => ({
      type: "ptp",
      ipam: { type: "static", addresses: [{ address: "10.3.0.5/16", gateway: "10.3.0.1" }], dns },
    }),
  ],
  [
    "bridge with settings of tuning",
    () =>
      tuned(
        { type: "bridge", bridge: "tuned", isGateway: true, dns, ...hostLocal({ subnet: "10.1.0.0/16" }) },
        { sysctl: { "net.ipv4.conf.IFNAME.arp_ignore": "1" }, mtu: 1400, promisc: true },
      ),
  ],
  [
    "a bridge of the interface's name, with a MAC address of tuning",
    () => tuned({ type: "bridge", bridge: "net1" }, { mac: "02:00:00:00:00:0A", txQLen: 0 }),
  ],
  [
    "ptp, to whose tuning an attachment gives a MAC address",
    () =>
      tuned(
        { type: "ptp", capabilities: { ips: true }, ...hostLocal({ subnet: "10.5.0.0/16" }) },
        { mac: "02:00:00:00:00:01", capabilities: { mac: true } },
      ),
    { capabilityArgs: Buffer.from('{"ips":["10.5.0.9"],"mac":"02:00:00:00:00:0C"}') },
  ],
  [
    "macvlan with tuning, and a MAC address in CNI_ARGS",
    () => tuned({ type: "macvlan", master: "eth1" }, { allmulti: false }),
    { args: [["MAC", "02:00:00:00:00:0D"]] },
  ],
  ["macvlan, layer 2", () => ({ type: "macvlan", master: "eth1", dns })],
  [
    "macvlan with host-local",
    () => ({
      type: "macvlan",
      master: "eth1",
      mode: "private",
      ...hostLocal({ ...dual.ranges[0]?.[0], routes: routes.slice(0, 2) }),
    }),
  ],
  [
    "macvlan with static, whose dns does not count",
    () => ({
      type: "macvlan",
      master: "eth1",
      ipam: {
        type: "static",
        addresses: [{ address: "10.4.0.5/16" }],
        routes: [{ dst: "10.9.0.0/16" }],
        dns,
      },
    }),
  ],
  [
    "macvlan with what an attachment asks for",
    () => ({
      type: "macvlan",
      master: "eth1",
      capabilities: { ips: true, mac: true, ipRanges: true },
      ...hostLocal({ subnet: "10.5.0.0/16" }),
    }),
    {
      args: [["IP", "10.5.0.9"]],
      capabilityArgs: Buffer.from(
        '{"ips":["10.6.0.9/24"],"mac":"02:00:00:00:00:0A","ipRanges":[[{"subnet":"10.6.0.0/24"}]]}',
      ),
    },
  ],
];

describe.each(versions)("cniVersion %s", (cniVersion) => {
  const cases = configurations.map(([name, config, asked = {}]) => ({ name, config, asked }));
  it.each(cases)("$name", async ({ config, asked }) => {
    const outcome = await both(config(), cniVersion, asked);
    expect(outcome?.ours).toBe(outcome?.theirs);
    expect(outcome?.ours).not.toBe("");
  });
});

/** Failures of the plugins that come from the node, and not from the configuration: the shim meets the same ones, and leaves the network to the plugins. */
const ofTheNode =
  /"msg": "(?:failed to (?:add|set|create|delete) |invalid MTU |(?:open|write) \/proc\/sys\/net\/ipv|invalid argument|numerical result out of range)/;

test("generated configurations", async () => {
  let same = 0;
  await fc.assert(
    fc.asyncProperty(
      configs,
      generatedVersions,
      args,
      capabilityArgs,
      async (config, cniVersion, ...asked) => {
        const [pairs, capabilities] = asked;
        // The plugins wait two seconds for duplicate address detection of IPv6, but for bridge.
        const text = JSON.stringify(config);
        if (!text.includes('"bridge"') && /fd00|2001/.test(`${text}${capabilities}`)) return;
        const own = Array.isArray(config.plugins)
          ? { ...config, plugins: config.plugins.map(onBridge) }
          : onBridge(config);
        const outcome = await both(withDirectory(own), cniVersion, {
          args: pairs,
          capabilityArgs: capabilities,
        });
        if (outcome === undefined) return;
        await node.run(["ip", "link", "del", "generated"]);
        if (outcome.ours === "") {
          expect(outcome.theirs).toMatch(ofTheNode);
        } else {
          same += 1;
          expect(outcome.ours).toBe(outcome.theirs);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(same).toBeGreaterThan(5);
});

/** Nothing is written beside the directories of the test. */
function withDirectory(config: Json): Json {
  const { ipam } = config;
  if (Array.isArray(config.plugins)) return { ...config, plugins: config.plugins.map(withDirectory) };
  if (config.type === "tuning") return { ...config, dataDir: directory.path };
  return isJsonObject(ipam) && ipam.type === "host-local"
    ? { ...config, ipam: { ...ipam, dataDir: directory.path } }
    : config;
}

function onBridge(config: Json): Json {
  return config.type === "bridge" ? { ...config, bridge: "generated" } : config;
}
