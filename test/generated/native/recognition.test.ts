/** Any configuration is either left to its plugin, with a reason, or a link that the shim's bounds permit, whose result is one; and one key that is not as it should be makes a plugin run. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { NetworkConfigList, RuntimeConf } from "../../../src/cni/types.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { recognize } from "../../../src/native/recognition.ts";
import { resultBytes } from "../../../src/native/result.ts";
import { linkProblem, madeOf } from "../../support/native-link.ts";

type Json = Readonly<Record<string, unknown>>;

const kernels = loadKernels();
const usual: RuntimeConf = {
  containerId: "c0ffee",
  netns: "/run/netns/<web>",
  ifName: "net1",
  args: [["IgnoreUnknown", "1"]],
  capabilityArgs: undefined,
};

/** Mostly `arbitrary`, now and then whatever comes. */
const mostly = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 40, arbitrary }, fc.jsonValue());
const some = <Shape>(shape: { [Key in keyof Shape]: fc.Arbitrary<Shape[Key]> }) =>
  fc.record(shape, { requiredKeys: [] });

/** Addresses of few networks, so that they meet. */
const ipv4 = fc
  .tuple(fc.constantFrom("10.1.0", "10.1.1", "10.2.0"), fc.integer({ min: 0, max: 255 }))
  .map(([network, host]) => `${network}.${host}`);
const ipv6 = fc
  .tuple(fc.constantFrom("fd00:1::", "fd00:1:0:1::", "2001:DB8::", "::"), fc.integer({ min: 0, max: 0xffff }))
  .map(([network, host]) => `${network}${host.toString(16)}`);
const address = fc.oneof(
  { weight: 6, arbitrary: ipv4 },
  { weight: 2, arbitrary: ipv6 },
  fc.constantFrom("", "x", "::1"),
);
const cidr = fc.tuple(address, fc.integer({ min: 0, max: 130 })).map(([host, prefix]) => `${host}/${prefix}`);
const subnet = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom(
      "10.1.0.0/24",
      "10.1.0.0/16",
      "10.1.1.0/25",
      "10.2.0.0/30",
      "fd00:1::/64",
      "fd00:1:0:1::/120",
    ),
  },
  cidr,
);
const range = some({ subnet: mostly(subnet), rangeStart: address, rangeEnd: address, gateway: address });
const plainRange = fc.record({ subnet });
const rangeSet = fc.array(fc.oneof({ weight: 3, arbitrary: plainRange }, range), {
  minLength: 1,
  maxLength: 3,
});
const route = some({
  dst: fc.oneof(fc.constantFrom("0.0.0.0/0", "::/0", "10.9.0.0/16"), cidr),
  gw: address,
  priority: mostly(fc.nat()),
});
const routes = fc.array(route, { maxLength: 3 });
const dns = some({
  nameservers: fc.array(fc.string(), { maxLength: 2 }),
  domain: fc.string(),
  search: fc.array(fc.string(), { maxLength: 2 }),
  options: fc.array(fc.string(), { maxLength: 2 }),
});
const mac = fc.constantFrom("02:00:00:00:00:01", "", "02-00-00-00-00-01");
const hostLocal = some({
  subnet: mostly(subnet),
  gateway: address,
  ranges: mostly(fc.array(rangeSet, { maxLength: 3 })),
  routes,
  dataDir: fc.constantFrom("", "/run/ipam", "ipam", "/run/../ipam"),
  resolvConf: fc.constantFrom("", "/etc/resolv.conf"),
}).map((ipam) => ({ type: "host-local", ...ipam }));
const plainHostLocal = fc
  .record({
    ranges: fc.array(fc.array(plainRange, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 }),
    routes: fc.constantFrom([], [{ dst: "0.0.0.0/0" }], [{ dst: "10.9.0.0/16", gw: "10.1.0.9" }]),
  })
  .map((ipam) => ({ type: "host-local", ...ipam }));
const staticIpam = some({
  addresses: mostly(
    fc.array(fc.oneof(fc.record({ address: cidr }), fc.record({ address: cidr, gateway: address })), {
      maxLength: 3,
    }),
  ),
  routes,
  dns,
}).map((ipam) => ({ type: "static", ...ipam }));
const ipam = fc.oneof(
  { weight: 4, arbitrary: plainHostLocal },
  hostLocal,
  staticIpam,
  fc.constantFrom({}, { type: "dhcp" }),
);
const common = {
  ipam: mostly(ipam),
  dns,
  mtu: mostly(fc.constantFrom(0, 1400, 65_535)),
  capabilities: some({ mac: fc.boolean(), ips: fc.boolean(), ipRanges: fc.boolean() }),
};
const flag = mostly(fc.constant(false));
const bridge = some({
  ...common,
  bridge: mostly(fc.constantFrom("br0", "cni0", "a/b")),
  isGateway: mostly(fc.boolean()),
  isDefaultGateway: mostly(fc.boolean()),
  hairpinMode: mostly(fc.boolean()),
  promiscMode: flag,
  ipMasq: flag,
  vlan: mostly(fc.constant(0)),
  portIsolation: mostly(fc.boolean()),
  args: some({ cni: some({ mac, ips: fc.array(address, { maxLength: 1 }) }) }),
}).map((config): Json => ({ type: "bridge", ...config }));
const macvlan = some({
  ...common,
  mode: mostly(fc.constantFrom("", "bridge", "private", "vepa", "passthru")),
  mac,
  bcqueuelen: mostly(fc.nat()),
}).map((config): Json => ({ type: "macvlan", master: "eth1", ...config }));
const configs = fc.oneof(bridge, macvlan);

const versions = fc.constantFrom("0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0");
const capabilityArgs = fc.option(
  some({
    mac: mostly(mac),
    ips: mostly(fc.array(fc.oneof(address, cidr), { maxLength: 2 })),
    ipRanges: mostly(fc.array(rangeSet, { maxLength: 2 })),
  }).map((args) => Buffer.from(JSON.stringify(args))),
  { nil: undefined },
);
const args: fc.Arbitrary<RuntimeConf["args"]> = fc
  .array(
    fc.oneof(
      mac.map((value): [string, string] => ["MAC", value]),
      fc.oneof(address, cidr).map((value): [string, string] => ["IP", value]),
    ),
    { maxLength: 2 },
  )
  .map((pairs) => [["IgnoreUnknown", "1"], ...pairs]);

/** A configuration as a network; undefined: it is refused before anybody asks whether it is native. */
function parsed(config: Json | string, cniVersion = "1.0.0"): NetworkConfigList | undefined {
  const text = typeof config === "string" ? config : JSON.stringify({ cniVersion, name: "n", ...config });
  try {
    return parseNetworkConfig(Buffer.from(text), "n", kernels);
  } catch (error) {
    if (error instanceof ExpectedError) return undefined;
    throw error;
  }
}

function isNative(config: Json | string): boolean {
  const list = parsed(config);
  return list !== undefined && typeof recognize(list, usual) !== "string";
}

describe("recognition", () => {
  it("gives a reason, or a link within the bounds with a result that is one", () => {
    let native = 0;
    fc.assert(
      fc.property(configs, versions, args, capabilityArgs, (config, cniVersion, pairs, capabilities) => {
        const list = parsed(config, cniVersion);
        if (list === undefined) return;
        const runtime = { ...usual, args: pairs, capabilityArgs: capabilities };
        const recognized = recognize(list, runtime);
        expect(recognize(list, runtime)).toEqual(recognized);
        if (typeof recognized === "string") {
          expect(recognized).not.toBe("");
          return;
        }
        native += 1;
        expect(linkProblem(recognized.link)).toBeUndefined();
        const result = resultBytes(recognized, madeOf(recognized.link), cniVersion, runtime.netns);
        const checked = kernels.convertResult({ result, configVersion: "0.1.0", targetVersion: undefined });
        expect(Buffer.from(checked)).toEqual(Buffer.from(result));
        const { interfaces, ips = [] } = JSON.parse(Buffer.from(result).toString());
        expect(interfaces.at(-1)).toMatchObject({ name: "net1", sandbox: runtime.netns });
        expect(ips).toHaveLength(recognized.link.sets.length + recognized.link.addresses.length);
      }),
      { numRuns: 2_000 },
    );
    // Else nothing was tried.
    expect(native).toBeGreaterThan(100);
  });

  it("leaves a network to its plugin where one key is not as it should be", () => {
    const native = fc
      .tuple(configs, versions)
      .map(([config, cniVersion]) => ({ cniVersion, name: "n", ...config }))
      .filter(isNative);
    const wrong = fc.constantFrom<(key: string, json: string) => string>(
      (key, json) => `"${key.charAt(0).toUpperCase()}${key.slice(1)}":${json}`,
      (key, json) => `${JSON.stringify(key)}:${json}`,
      (key, json) => `"\\u${key.charCodeAt(0).toString(16).padStart(4, "0")}${key.slice(1)}":${json}`,
      () => '"prevResult":{}',
      () => '"runtimeConfig":{"mac":""}',
      () => '"an unknown key":0',
      () => '"vlanTrunk":null',
      () => '"cni.dev/valid-attachments":[]',
    );
    fc.assert(
      fc.property(native, fc.nat(), wrong, (config, choice, spoil) => {
        const text = JSON.stringify(config);
        const entries = Object.entries(config);
        const [key, value] = entries[choice % entries.length] ?? ["name", "n"];
        const spoilt = `${text.slice(0, -1)},${spoil(key, JSON.stringify(value))}}`;
        expect(isNative(spoilt)).toBe(false);
      }),
    );
  });
});
