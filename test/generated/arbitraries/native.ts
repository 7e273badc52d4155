/** Configurations of bridge, macvlan and ptp, and of tuning behind them, most of them right, some wrong in one key; and what attachments ask for. */

import fc from "fast-check";
import type { RuntimeConf } from "../../../src/cni/types.ts";

type Json = Readonly<Record<string, unknown>>;

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
const { ipam: _ipam, ...unaddressed } = common;
const ptp = fc
  .tuple(ipam, some({ ...unaddressed, ipMasq: flag }))
  .map(([addresses, config]): Json => ({ type: "ptp", ipam: addresses, ...config }));
const plugin = fc.oneof(bridge, macvlan, ptp);
const tuning = some({
  sysctl: mostly(
    fc.dictionary(
      fc.constantFrom(
        "net.ipv4.conf.IFNAME.arp_ignore",
        "net/ipv6/neigh/IFNAME/app_solicit",
        "net.ipv4.conf.all.forwarding",
        "net.ipv4.conf.IFNAME...",
      ),
      fc.string(),
    ),
  ),
  mac,
  mtu: mostly(fc.constantFrom(0, 1400, 65_535)),
  promisc: mostly(fc.boolean()),
  allmulti: mostly(fc.boolean()),
  txQLen: mostly(fc.nat()),
  dataDir: fc.constantFrom("", "/", "/run/tuning/", "tuning"),
  capabilities: some({ mac: fc.boolean() }),
  args: some({ cni: some({ mac, ips: fc.array(address, { maxLength: 1 }) }) }),
}).map((config): Json => ({ type: "tuning", ...config }));
const second = fc.oneof(
  { weight: 6, arbitrary: tuning },
  fc.constantFrom<Json>({ type: "portmap" }, { type: "tuning", ipam: {} }),
);
const chain = fc.tuple(plugin, second).map((plugins): Json => ({ plugins }));
/** Objects without name and version. */
export const configs = fc.oneof({ weight: 2, arbitrary: plugin }, chain);

export const versions = fc.constantFrom("0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0");
export const capabilityArgs = fc.option(
  some({
    mac: mostly(mac),
    ips: mostly(fc.array(fc.oneof(address, cidr), { maxLength: 2 })),
    ipRanges: mostly(fc.array(rangeSet, { maxLength: 2 })),
  }).map((args) => Buffer.from(JSON.stringify(args))),
  { nil: undefined },
);
/** CNI_ARGS. */
export const args: fc.Arbitrary<RuntimeConf["args"]> = fc
  .array(
    fc.oneof(
      mac.map((value): [string, string] => ["MAC", value]),
      fc.oneof(address, cidr).map((value): [string, string] => ["IP", value]),
    ),
    { maxLength: 2 },
  )
  .map((pairs) => [["IgnoreUnknown", "1"], ...pairs]);
