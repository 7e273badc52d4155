/** Recognition takes a configuration only where every key is understood; everything else is left to the plugin, with a reason. */

import { describe, expect, it } from "vitest";
import { whyExecuted } from "../../../src/native/native-networks.ts";
import { recognizeBeforehand } from "../../../src/native/recognition.ts";
import {
  attachment,
  bridge,
  chain,
  hostLocal,
  type Json,
  linkOf,
  macvlan,
  network,
  ptp,
  staticIpam,
  withArgs,
  withCapabilities,
} from "./networks.ts";

const bridgeLink = {
  ifName: "net1",
  kind: "bridge",
  parent: "cni0",
  mtu: 0,
  mode: 0,
  queueLength: 0,
  hairpin: false,
  isolated: false,
  promiscuous: false,
  isGateway: false,
  sets: [],
  addresses: [],
  routes: [],
  settings: [] as readonly Json[],
};
const macvlanLink = { ...bridgeLink, kind: "macvlan", parent: "eth1", mode: 4 };
const setting = (table: string, name: string, value: string, isTuning = false) => ({
  ...{ table, name, value, isTuning },
});
/** Of a bridge and of a macvlan that have addresses. */
const bridgeSettings = [setting("ipv6/conf", "accept_dad", "0"), setting("ipv4/conf", "arp_notify", "1")];
const macvlanSettings = [setting("ipv6/conf", "ndisc_notify", "1"), setting("ipv4/conf", "arp_notify", "1")];
const usualRange = { first: "10.1.0.1", last: "10.1.255.254", gateway: "10.1.0.1", prefix: 16 };
const directory = "/var/lib/cni/networks/cellar";

describe("bridge", () => {
  it("takes the plugin's defaults", () => {
    expect(linkOf(bridge())).toEqual(bridgeLink);
    expect(linkOf(bridge({ ipam: {} }))).toEqual(bridgeLink);
    expect(linkOf(bridge({ ipam: { type: "" } }))).toEqual(bridgeLink);
  });

  it("takes every key that it understands", () => {
    const config = bridge({
      bridge: "br0",
      mtu: 1400,
      hairpinMode: true,
      portIsolation: true,
      enabledad: true,
      isGateway: true,
      ipMasq: false,
      ipMasqBackend: "nftables",
      forceAddress: false,
      vlan: 0,
      preserveDefaultVlan: true,
      macspoofchk: false,
      disableContainerInterface: false,
      promiscMode: false,
      dns: { nameservers: ["10.0.0.10"], domain: "d", search: ["s"], options: ["ndots:5"] },
      capabilities: { mac: true, ips: false },
      args: { cni: { mac: "02:00:00:00:00:01" } },
      ...hostLocal(),
    });
    expect(linkOf(config)).toEqual({
      ...bridgeLink,
      parent: "br0",
      mac: "020000000001",
      mtu: 1400,
      hairpin: true,
      isolated: true,
      settings: [
        setting("ipv6/conf", "enhanced_dad", "1"),
        setting("ipv6/conf", "accept_dad", "1"),
        setting("ipv4/conf", "arp_notify", "1"),
      ],
      isGateway: true,
      directory,
      sets: [{ ranges: [usualRange] }],
    });
  });

  it("is a gateway only where it gives addresses", () => {
    expect(linkOf(bridge({ isGateway: true, isDefaultGateway: true }))).toEqual(bridgeLink);
  });

  it("with isDefaultGateway has a default route for each family, unless one has a gateway already", () => {
    const config = (routes: unknown) =>
      bridge({
        isDefaultGateway: true,
        ...hostLocal({ ranges: [[{ subnet: "10.1.0.0/16" }], [{ subnet: "fd00:1::/64" }]], routes }),
      });
    const ipv4 = { destination: "0.0.0.0", prefix: 0 };
    const ipv6 = { destination: "0".repeat(32), prefix: 0 };
    expect(linkOf(config([]))).toMatchObject({ isGateway: true, routes: [ipv4, ipv6] });
    // One without a gateway does not count: the plugin adds its own behind it.
    expect(linkOf(config([{ dst: "0.0.0.0/0" }]))).toMatchObject({ routes: [ipv4, ipv4, ipv6] });
    expect(linkOf(config([{ dst: "0.0.0.0/0", gw: "10.1.0.9" }]))).toMatchObject({
      routes: [{ ...ipv4, gateway: "10.1.0.9" }, ipv6],
    });
  });

  it("as gateway fills in the gateways of static addresses", () => {
    const addresses = [{ address: "10.1.0.5/16" }, { address: "10.2.0.5/16", gateway: "10.2.0.9" }];
    expect(linkOf(bridge({ isGateway: true, ...staticIpam({ addresses }) }))).toMatchObject({
      addresses: [
        { address: "10.1.0.5", prefix: 16, gateway: "10.1.0.1" },
        { address: "10.2.0.5", prefix: 16, gateway: "10.2.0.9" },
      ],
    });
    expect(linkOf(bridge(staticIpam({ addresses })))).toMatchObject({
      addresses: [{ address: "10.1.0.5", prefix: 16 }, { gateway: "10.2.0.9" }],
    });
  });

  it.each<[Json, string]>([
    [{ ipMasq: true }, 'key "ipMasq" is true'],
    [{ forceAddress: true }, 'key "forceAddress" is true'],
    [{ macspoofchk: true }, 'key "macspoofchk" is true'],
    [{ disableContainerInterface: true }, 'key "disableContainerInterface" is true'],
    [{ vlan: 5 }, 'key "vlan" must be a whole number from 0 to 0'],
    [{ vlanTrunk: [] }, 'key "vlanTrunk" is not known'],
    [{ hairpinMode: true, promiscMode: true }, "hairpinMode and promiscMode are both true"],
    [{ bridge: "" }, 'key "bridge": "" is empty'],
    [{ bridge: "a-name-of-16-byt" }, 'key "bridge": "a-name-of-16-byt" is longer than 15 bytes'],
    [{ mtu: -1 }, 'key "mtu" must be a whole number from 0 to 65535'],
    [{ mtu: 67 }, 'key "mtu" is below 68'],
    [{ mtu: "1500" }, 'key "mtu" must be a whole number from 0 to 65535'],
    [{ isGateway: "true" }, 'key "isGateway" must be true or false'],
    [{ isGateway: null }, 'key "isGateway" must be true or false'],
    [{ dns: null }, 'key "dns" must be an object'],
    [{ dns: { nameservers: "10.0.0.10" } }, 'key "dns.nameservers" must be a list'],
    [{ dns: { domain: "a\u0000" } }, 'key "dns.domain" has a control character, or half of a surrogate pair'],
    [{ master: "eth0" }, 'key "master" is not known'],
    [{ isgateway: true }, 'key "isgateway" must be written "isGateway"'],
    [{ deviceID: "0000:00:01.0" }, 'key "deviceID" is not known'],
    [{ runtimeConfig: {} }, 'key "runtimeConfig" is not known'],
    [{ prevResult: {} }, 'key "prevResult" is not known'],
    [{ capabilities: { portMappings: true } }, 'key "capabilities.portMappings" is not known'],
    [{ args: { cni: { labels: [] } } }, 'key "args.cni.labels" is not known'],
    [
      { args: { cni: { mac: "02-00-00-00-00-01" } } },
      'MAC address "02-00-00-00-00-01" is not six bytes with colons',
    ],
    [{ ipam: { type: "dhcp" } }, 'key "ipam.type": "dhcp" is not one of host-local, static'],
    [{ ipam: { subnet: "10.1.0.0/16" } }, 'key "ipam.subnet" is not known'],
  ])("leaves %j to the plugin", (more, reason) => {
    expect(linkOf(bridge(more))).toBe(reason);
  });
});

describe("macvlan", () => {
  it("takes the plugin's defaults and every key that it understands", () => {
    expect(linkOf(macvlan())).toEqual(macvlanLink);
    const config = macvlan({
      mode: "vepa",
      mtu: 1400,
      mac: "02:00:00:00:00:0A",
      bcqueuelen: 4_294_967_295,
      linkInContainer: false,
    });
    expect(linkOf(config)).toEqual({
      ...macvlanLink,
      mode: 2,
      mtu: 1400,
      mac: "02000000000a",
      queueLength: 4_294_967_295,
    });
  });

  it.each([
    ["", 4],
    ["bridge", 4],
    ["private", 1],
    ["vepa", 2],
    ["passthru", 8],
  ])("mode %j is the kernel's %i", (mode, number) => {
    expect(linkOf(macvlan({ mode }))).toMatchObject({ mode: number });
  });

  it.each<[Json, string]>([
    [{ master: undefined }, 'key "master": "" is empty'],
    [{ mode: "source" }, 'key "mode" cannot be "source"'],
    [{ linkInContainer: true }, 'key "linkInContainer" is true'],
    [{ bcqueuelen: 4_294_967_296 }, 'key "bcqueuelen" must be a whole number from 0 to 4294967295'],
    [{ isGateway: true }, 'key "isGateway" is not known'],
    [{ args: { cni: { mac: "02:00:00:00:00:01" } } }, 'key "args.cni.mac" is not known'],
  ])("leaves %j to the plugin", (more, reason) => {
    expect(linkOf(macvlan(more))).toBe(reason);
  });
});

describe("the settings of a link", () => {
  it("are those that its plugin makes where it has addresses", () => {
    expect(linkOf(bridge(hostLocal()))).toMatchObject({ settings: bridgeSettings });
    expect(linkOf(bridge({ enabledad: true }))).toMatchObject({ settings: [] });
    expect(linkOf(macvlan(staticIpam()))).toMatchObject({ settings: macvlanSettings });
    expect(linkOf(macvlan())).toMatchObject({ settings: [] });
    expect(linkOf(ptp())).toMatchObject({ settings: [] });
    const ipv6 = [setting("ipv6/conf", "disable_ipv6", "0"), setting("ipv6/conf", "keep_addr_on_down", "1")];
    expect(linkOf(ptp(hostLocal({ subnet: "fd00:1::/64" })))).toMatchObject({ settings: ipv6 });
    const addresses = [{ address: "10.1.0.5/16" }, { address: "fd00:1::5/64" }];
    expect(linkOf(macvlan(staticIpam({ addresses })))).toMatchObject({
      settings: [...macvlanSettings, ...ipv6],
    });
  });
});

describe("ptp", () => {
  const { parent: _parent, ...link } = bridgeLink;

  it("takes the plugin's defaults and every key that it understands", () => {
    expect(linkOf(ptp())).toEqual({ ...link, kind: "ptp", directory, sets: [{ ranges: [usualRange] }] });
    const config = ptp({ mtu: 1400, ipMasq: false, ipMasqBackend: "iptables", dns: { domain: "d" } });
    expect(linkOf(config)).toMatchObject({ kind: "ptp", mtu: 1400 });
  });

  it("has addresses with a gateway each", () => {
    const addresses = [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }];
    expect(linkOf(ptp(staticIpam({ addresses })))).toMatchObject({
      addresses: [{ address: "10.1.0.5", prefix: 16, gateway: "10.1.0.1" }],
    });
    expect(linkOf(ptp(staticIpam({ addresses: [...addresses, { address: "10.2.0.5/16" }] })))).toBe(
      "an address of a ptp has no gateway",
    );
  });

  it("gives its interface no MAC address, whoever asks for one", () => {
    const runtime = {
      ...withCapabilities({ mac: "02:00:00:00:00:01" }),
      args: withArgs(["MAC", "02:00:00:00:00:02"]).args,
    };
    expect(linkOf(ptp({ capabilities: { mac: true } }), runtime)).not.toHaveProperty("mac");
  });

  it.each<[Json, string]>([
    [{ ipMasq: true }, 'key "ipMasq" is true'],
    [{ ipam: undefined }, "ptp without an IPAM plugin"],
    [{ ipam: {} }, "ptp without an IPAM plugin"],
    [{ bridge: "br0" }, 'key "bridge" is not known'],
    [{ isGateway: true }, 'key "isGateway" is not known'],
    [{ mac: "02:00:00:00:00:01" }, 'key "mac" is not known'],
    [{ args: { cni: { mac: "02:00:00:00:00:01" } } }, 'key "args.cni.mac" is not known'],
  ])("leaves %j to the plugin", (more, reason) => {
    expect(linkOf(ptp(more))).toBe(reason);
  });
});

describe("tuning behind another plugin", () => {
  const nothing = { mtu: 0, flags: 0, changedFlags: 0 };
  const backups = "/run/cni/tuning";

  it.each<[string, Json, Json]>([
    ["bridge", bridge({ bridge: "cni0" }), bridgeLink],
    ["macvlan", macvlan(), macvlanLink],
  ])("changes nothing of a %s where it says nothing", (_type, plugin, link) => {
    expect(linkOf(chain(plugin))).toEqual({ ...link, tuning: nothing });
    expect(linkOf(chain(plugin, { mac: "", mtu: 0, promisc: false, sysctl: {}, dataDir: "" }))).toEqual({
      ...link,
      tuning: nothing,
    });
  });

  it("takes every key that it understands", () => {
    const tuning = {
      dataDir: "/run//tuning/",
      mac: "02:00:00:00:00:0A",
      promisc: true,
      mtu: 1400,
      txQLen: 0,
      allmulti: true,
    };
    expect(linkOf(chain(ptp(), tuning))).toMatchObject({
      kind: "ptp",
      tuning: { mac: "02000000000a", mtu: 1400, queueLength: 0, flags: 0x300, changedFlags: 0x300 },
      backups: "/run/tuning",
    });
  });

  it.each<[Json, Json]>([
    [{ promisc: true }, { ...nothing, flags: 0x100, changedFlags: 0x100 }],
    [{ allmulti: false }, { ...nothing, changedFlags: 0x200 }],
    [{ allmulti: true }, { ...nothing, flags: 0x200, changedFlags: 0x200 }],
    [{ txQLen: 0 }, { ...nothing, queueLength: 0 }],
    [{ mtu: 1400 }, { ...nothing, mtu: 1400 }],
    [{ mac: "02:00:00:00:00:01" }, { ...nothing, mac: "020000000001" }],
  ])("%j alone is kept in a file", (keys, tuning) => {
    expect(linkOf(chain(bridge(), keys))).toEqual({ ...bridgeLink, tuning, backups });
  });

  it("makes settings of the interface, behind those of the plugin before", () => {
    const sysctl = {
      "net.ipv4.conf.IFNAME.arp_ignore": "1",
      "net/ipv6/conf/IFNAME/hop_limit": "33",
      "net.ipv4.neigh.IFNAME.gc_stale_time": "10",
      "net/ipv6.neigh.IFNAME/ucast_solicit": "5",
    };
    expect(linkOf(chain(macvlan(staticIpam()), { sysctl }))).toMatchObject({
      settings: [
        ...macvlanSettings,
        setting("ipv4/conf", "arp_ignore", "1", true),
        setting("ipv6/conf", "hop_limit", "33", true),
        setting("ipv4/neigh", "gc_stale_time", "10", true),
        setting("ipv6/neigh", "ucast_solicit", "5", true),
      ],
      tuning: nothing,
    });
  });

  it("has the MAC address of its configuration, CNI_ARGS, its capability argument or args.cni, the last of them", () => {
    const macs = (tuning: Json, runtime = attachment) => linkOf(chain(bridge(), tuning), runtime);
    const mac = (last: number) => `02:00:00:00:00:0${last}`;
    const tuned = (last: number) => ({ tuning: { ...nothing, mac: `02000000000${last}` } });
    const both = { ...withCapabilities({ mac: mac(3) }), args: withArgs(["MAC", mac(2)]).args };
    expect(macs({ mac: mac(1) })).toMatchObject(tuned(1));
    expect(macs({ mac: mac(1) }, both)).toMatchObject({ ...tuned(2), mac: "020000000002" });
    expect(macs({ mac: mac(1), capabilities: { mac: true } }, both)).toMatchObject(tuned(3));
    const args = { args: { cni: { mac: mac(4), ips: ["10.1.0.5"] } } };
    expect(macs({ mac: mac(1), capabilities: { mac: true }, ...args }, both)).toMatchObject(tuned(4));
    expect(macs({ mac: mac(1), args: { cni: { mac: "" } } })).toEqual({ ...bridgeLink, tuning: nothing });
  });

  const own = "is not of the interface (net.ipv4.conf.IFNAME, net.ipv4.neigh.IFNAME, or ipv6)";
  it.each<[Json, string]>([
    [{ sysctl: { "net.core.somaxconn": "1000" } }, `key "sysctl.net.core.somaxconn" ${own}`],
    [{ sysctl: { "net.ipv4.conf.all.arp_ignore": "1" } }, `key "sysctl.net.ipv4.conf.all.arp_ignore" ${own}`],
    [
      { sysctl: { "net.ipv4.conf.net1.arp_ignore": "1" } },
      `key "sysctl.net.ipv4.conf.net1.arp_ignore" ${own}`,
    ],
    [{ sysctl: { "net.ipv4.conf.IFNAME/../x": "1" } }, `key "sysctl.net.ipv4.conf.IFNAME/../x" ${own}`],
    [{ sysctl: { "kernel.IFNAME": "1" } }, `key "sysctl.kernel.IFNAME" ${own}`],
    [
      { sysctl: { "net.ipv4.conf.IFNAME.forwarding": 1 } },
      'key "sysctl.net.ipv4.conf.IFNAME.forwarding" must be a text',
    ],
    [
      { sysctl: { "net.ipv4.conf.IFNAME.forwarding": "" } },
      'key "sysctl.net.ipv4.conf.IFNAME.forwarding" must have 1 to 63 bytes',
    ],
    [
      { sysctl: { "net.ipv4.conf.IFNAME.tag": "1", "net/ipv4/conf/IFNAME/tag": "2" } },
      'key "sysctl.net/ipv4/conf/IFNAME/tag" is there twice',
    ],
    [
      {
        sysctl: Object.fromEntries(
          Array.from({ length: 57 }, (_, index) => [`net.ipv4.conf.IFNAME.a${index}`, "1"]),
        ),
      },
      "more than 56 settings",
    ],
    [{ sysctl: null }, 'key "sysctl" must be an object'],
    [{ dataDir: "tuning" }, 'key "dataDir" must be an absolute path without ".."'],
    [{ dataDir: "/" }, 'key "dataDir" must be an absolute path without ".."'],
    [{ dataDir: "/run/../tuning" }, 'key "dataDir" must be an absolute path without ".."'],
    [{ dataDir: `/${"x".repeat(1_024)}` }, 'the directory of "dataDir" has more than 1024 bytes'],
    [{ mac: "02-00-00-00-00-01" }, 'MAC address "02-00-00-00-00-01" is not six bytes with colons'],
    [{ mtu: 60 }, 'key "mtu" is below 68'],
    [{ txQLen: -1 }, 'key "txQLen" must be a whole number from 0 to 2147483647'],
    [{ allmulti: null }, 'key "allmulti" must be true or false'],
    [{ promisc: "true" }, 'key "promisc" must be true or false'],
    [{ Promisc: true }, 'key "Promisc" must be written "promisc"'],
    [{ ipam: {} }, 'tuning has key "ipam"'],
    [{ args: { cni: { sysctl: {} } } }, 'key "args.cni.sysctl" is not known'],
    [{ prevResult: {} }, 'key "prevResult" is not known'],
  ])("leaves %j to the plugins", (tuning, reason) => {
    expect(linkOf(chain(bridge(), tuning))).toBe(reason);
  });
});

describe("host-local", () => {
  const sets = (ipam: Json, runtime = attachment, more: Json = {}) => {
    const link = linkOf(macvlan({ ...hostLocal(ipam), ...more }), runtime);
    return typeof link === "string" ? link : (link as { readonly sets: unknown }).sets;
  };

  it("fills in first and last address and gateway", () => {
    expect(sets({ subnet: "10.1.0.0/16" })).toEqual([{ ranges: [usualRange] }]);
    expect(sets({ subnet: "10.1.2.4/30", rangeStart: "10.1.2.6", gateway: "10.9.9.9" })).toEqual([
      { ranges: [{ first: "10.1.2.6", last: "10.1.2.6", gateway: "10.9.9.9", prefix: 30 }] },
    ]);
    expect(sets({ subnet: "fd00:1::/64" })).toEqual([
      {
        ranges: [
          {
            first: "fd000001000000000000000000000001",
            last: "fd00000100000000ffffffffffffffff",
            gateway: "fd000001000000000000000000000001",
            prefix: 64,
          },
        ],
      },
    ]);
  });

  it("takes a single range before the others, and those of the capability argument before all", () => {
    const ranges = [[{ subnet: "10.2.0.0/24" }, { subnet: "10.2.1.0/24" }]];
    const range = (network: string) => ({
      first: `${network}.1`,
      last: `${network}.254`,
      gateway: `${network}.1`,
      prefix: 24,
    });
    const others = { ranges: [range("10.2.0"), range("10.2.1")] };
    expect(sets({ subnet: "10.1.0.0/24", ranges })).toEqual([{ ranges: [range("10.1.0")] }, others]);
    const runtime = withCapabilities({ ipRanges: [[{ subnet: "10.3.0.0/24" }]] });
    const capabilities = { capabilities: { ipRanges: true } };
    expect(sets({ ranges }, runtime, capabilities)).toEqual([{ ranges: [range("10.3.0")] }, others]);
    // They may be all.
    expect(sets({}, runtime, capabilities)).toEqual([{ ranges: [range("10.3.0")] }]);
    // Without the capability nothing is said.
    expect(sets({ ranges }, runtime)).toEqual([others]);
  });

  it("asks for an address of CNI_ARGS, args.cni and the capability argument, each in the set that has it", () => {
    const ranges = [[{ subnet: "10.1.0.0/24" }], [{ subnet: "10.2.0.0/24" }], [{ subnet: "10.3.0.0/24" }]];
    const runtime = {
      ...withCapabilities({ ips: ["10.1.0.9"] }),
      args: withArgs(["IP", "10.3.0.9/24"]).args,
    };
    const more = { capabilities: { ips: true }, args: { cni: { ips: ["10.2.0.9/16"] } } };
    expect(sets({ ranges }, runtime, more)).toMatchObject([
      { requested: "10.1.0.9" },
      { requested: "10.2.0.9" },
      { requested: "10.3.0.9" },
    ]);
    // The same one twice is one.
    const twice = { ...withCapabilities({ ips: ["10.1.0.9"] }), args: withArgs(["IP", "10.1.0.9"]).args };
    expect(sets({ subnet: "10.1.0.0/24" }, twice, { capabilities: { ips: true } })).toMatchObject([
      { requested: "10.1.0.9" },
    ]);
  });

  it("has its files below dataDir", () => {
    const link = linkOf(macvlan(hostLocal({ subnet: "10.1.0.0/16", dataDir: "/run//ipam/./x/" })));
    expect(link).toMatchObject({ directory: "/run/ipam/x/cellar" });
    expect(linkOf(macvlan(hostLocal({ subnet: "10.1.0.0/16", dataDir: "" })))).toMatchObject({ directory });
  });

  it("takes routes", () => {
    const routes = [
      { dst: "192.168.0.0/16" },
      { dst: "0.0.0.0/0", gw: "10.1.0.254", priority: 100 },
      { dst: "::/0", priority: 0 },
      { dst: "2001:DB8::/32", gw: "fd00:1::9" },
    ];
    expect(linkOf(macvlan(hostLocal({ subnet: "10.1.0.0/16", routes })))).toMatchObject({
      routes: [
        { destination: "192.168.0.0", prefix: 16 },
        { destination: "0.0.0.0", prefix: 0, gateway: "10.1.0.254", metric: 100 },
        { destination: "0".repeat(32), prefix: 0 },
        {
          destination: `20010db8${"0".repeat(24)}`,
          prefix: 32,
          gateway: "fd000001000000000000000000000009",
        },
      ],
    });
  });

  const subnet = "10.1.0.0/24";
  const requesting = withArgs(["IP", "10.1.0.9"]);
  it.each<[Json, string, typeof attachment?]>([
    [{}, "host-local has no ranges"],
    [{ ranges: [] }, "host-local has no ranges"],
    [{ ranges: [[]] }, "host-local has an empty range set"],
    [{ rangeStart: "10.1.0.5" }, 'key "ipam.subnet" is missing'],
    [{ subnet: "10.1.0.5/24" }, 'key "ipam.subnet" cannot be "10.1.0.5/24"'],
    [{ subnet: "10.1.0.0/31" }, 'key "ipam.subnet" cannot be "10.1.0.0/31"'],
    [{ subnet: "10.1.0.0/024" }, 'key "ipam.subnet" cannot be "10.1.0.0/024"'],
    [{ subnet: "10.01.0.0/24" }, 'key "ipam.subnet" cannot be "10.01.0.0/24"'],
    [{ subnet: "::ffff:10.1.0.0/120" }, 'key "ipam.subnet" cannot be "::ffff:10.1.0.0/120"'],
    [{ subnet, rangeStart: "10.2.0.1" }, 'key "ipam.rangeStart" cannot be "10.2.0.1"'],
    [{ subnet, rangeStart: "fd00::1" }, 'key "ipam.rangeStart" cannot be "fd00::1"'],
    [{ subnet, rangeEnd: "10.2.0.1" }, 'key "ipam.rangeEnd" cannot be "10.2.0.1"'],
    [{ subnet, rangeStart: "10.1.0.9", rangeEnd: "10.1.0.8" }, 'key "ipam.rangeEnd" cannot be "10.1.0.8"'],
    [{ subnet, gateway: "" }, 'key "ipam.gateway" cannot be ""'],
    [{ subnet, gateway: "fd00:1::1" }, 'key "ipam.gateway" cannot be "fd00:1::1"'],
    [{ subnet, ranges: [[{ subnet: "10.1.0.128/25" }]] }, "ranges of host-local overlap"],
    [{ ranges: [[{ subnet }, { subnet }]] }, "ranges of host-local overlap"],
    [
      { ranges: [[{ subnet }, { subnet: "fd00:1::/64" }]] },
      "a range set of host-local has addresses of both families",
    ],
    [
      { ranges: Array.from({ length: 17 }, (_, index) => [{ subnet: `10.${index}.0.0/24` }]) },
      "host-local has more than 16 range sets",
    ],
    [
      { ranges: [Array.from({ length: 17 }, (_, index) => ({ subnet: `10.${index}.0.0/24` }))] },
      "a range set of host-local has more than 16 ranges",
    ],
    [{ subnet, name: "x" }, 'key "ipam.name" is not known'],
    [{ subnet, resolvConf: "/etc/resolv.conf" }, 'key "ipam.resolvConf" is set'],
    [{ subnet, dataDir: "ipam" }, 'key "ipam.dataDir" must be an absolute path without ".."'],
    [{ subnet, dataDir: "/run/../ipam" }, 'key "ipam.dataDir" must be an absolute path without ".."'],
    [
      { subnet, dataDir: `/${"d".repeat(1_024)}` },
      'the directory of "ipam.dataDir" has more than 1024 bytes',
    ],
    [{ subnet, routes: [null] }, 'key "ipam.routes[0]" must be an object'],
    [{ subnet, routes: [{ gw: "10.1.0.1" }] }, 'key "ipam.routes[0].dst" cannot be ""'],
    [{ subnet, routes: [{ dst: "10.9.0.1/16" }] }, 'key "ipam.routes[0].dst" cannot be "10.9.0.1/16"'],
    [
      { subnet, routes: [{ dst: "10.9.0.0/16", gw: "fd00:1::1" }] },
      'key "ipam.routes[0].gw" cannot be "fd00:1::1"',
    ],
    [{ subnet, routes: [{ dst: "10.9.0.0/16", mtu: 1400 }] }, 'key "ipam.routes[0].mtu" is not known'],
    [{ subnet, routes: [{ dst: "10.9.0.0/16", table: 5 }] }, 'key "ipam.routes[0].table" is not known'],
    [{ subnet, routes: [{ dst: "10.9.0.0/16", scope: 0 }] }, 'key "ipam.routes[0].scope" is not known'],
    [
      { subnet, routes: Array.from({ length: 256 }, () => ({ dst: "10.9.0.0/16" })) },
      'key "ipam.routes" has 256 elements, and fewer than 256 are expected',
    ],
    [{ subnet: "10.2.0.0/24" }, "address 10.1.0.9 is asked for, and no range set is left for it", requesting],
    [{ subnet, gateway: "10.1.0.9" }, "address 10.1.0.9 is asked for, and is the gateway", requesting],
    [{ subnet }, '"10.1.0.9,10.1.0.8" is asked for as address', withArgs(["IP", "10.1.0.9,10.1.0.8"])],
  ])("leaves %j to the plugin", (ipam, reason, runtime = attachment) => {
    expect(sets(ipam, runtime)).toBe(reason);
  });
});

describe("static", () => {
  const addresses = (ipam: Json, runtime = attachment, more: Json = {}) => {
    const link = linkOf(macvlan({ ...staticIpam(ipam), ...more }), runtime);
    return typeof link === "string" ? link : (link as { readonly addresses: unknown }).addresses;
  };
  const configured = { addresses: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }] };

  it("takes the configuration's addresses, and those of CNI_ARGS beside them", () => {
    const own = { address: "10.1.0.5", prefix: 16, gateway: "10.1.0.1" };
    expect(addresses(configured)).toEqual([own]);
    expect(addresses(configured, withArgs(["IP", "10.2.0.5/24, 10.3.0.5/24"]))).toEqual([
      own,
      { address: "10.2.0.5", prefix: 24 },
      { address: "10.3.0.5", prefix: 24 },
    ]);
  });

  it("takes args.cni in their place, and the capability argument in place of that", () => {
    const more = { capabilities: { ips: true }, args: { cni: { ips: ["10.2.0.5/24"] } } };
    expect(addresses(configured, withArgs(["IP", "10.3.0.5/24"]), more)).toEqual([
      { address: "10.2.0.5", prefix: 24 },
    ]);
    expect(addresses(configured, withCapabilities({ ips: ["10.4.0.5/24"] }), more)).toEqual([
      { address: "10.4.0.5", prefix: 24 },
    ]);
  });

  it.each<[Json, string, typeof attachment?]>([
    [{}, "static has no address"],
    [
      { addresses: [{ address: "10.1.0.5" }] },
      '"ipam.addresses[0].address" cannot be "10.1.0.5": an address with a prefix length is expected',
    ],
    [
      { addresses: [{ address: "10.1.0.5/16", gateway: "fd00:1::1" }] },
      'key "ipam.addresses[0].gateway" cannot be "fd00:1::1"',
    ],
    [
      { addresses: [{ address: "10.1.0.5/16", version: "4" }] },
      'key "ipam.addresses[0].version" is not known',
    ],
    [
      { addresses: [{ address: "::1/128" }] },
      '"ipam.addresses[0].address" cannot be "::1/128": an address with a prefix length is expected',
    ],
    [
      { addresses: Array.from({ length: 65 }, (_, index) => ({ address: `10.1.0.${index}/16` })) },
      "static has more than 64 addresses",
    ],
    [configured, "CNI_ARGS has GATEWAY", withArgs(["GATEWAY", "10.1.0.1"])],
    [
      configured,
      '"CNI_ARGS: IP" cannot be "10.1.0.9": an address with a prefix length is expected',
      withArgs(["IP", "10.1.0.9"]),
    ],
  ])("leaves %j to the plugin", (ipam, reason, runtime = attachment) => {
    expect(addresses(ipam, runtime)).toBe(reason);
  });
});

describe("the MAC address", () => {
  const mac = (config: Json, runtime = attachment) => (linkOf(config, runtime) as { mac?: unknown }).mac;
  const all = {
    ...withCapabilities({ mac: "02:00:00:00:00:03" }),
    args: withArgs(["MAC", "02:00:00:00:00:02"]).args,
  };
  const args = withArgs(["MAC", "02:00:00:00:00:02"]);
  const capabilities = { mac: true };

  it("of a bridge comes from the capability argument, else from args.cni, else from CNI_ARGS", () => {
    const cni = { args: { cni: { mac: "02:00:00:00:00:01" } } };
    expect(mac(bridge({ ...cni, capabilities }), all)).toBe("020000000003");
    expect(mac(bridge(cni), all)).toBe("020000000001");
    expect(mac(bridge(), all)).toBe("020000000002");
    expect(mac(bridge())).toBeUndefined();
  });

  it("of a macvlan comes from the capability argument, else from CNI_ARGS, else from its configuration", () => {
    const own = { mac: "02:00:00:00:00:01" };
    expect(mac(macvlan({ ...own, capabilities }), all)).toBe("020000000003");
    expect(mac(macvlan(own), args)).toBe("020000000002");
    expect(mac(macvlan(own))).toBe("020000000001");
  });

  it("the last one of CNI_ARGS counts", () => {
    expect(mac(bridge(), withArgs(["MAC", "x"], ["MAC", "02:00:00:00:00:02"]))).toBe("020000000002");
    expect(mac(bridge(), withArgs(["MAC", "02:00:00:00:00:02"], ["MAC", ""]))).toBeUndefined();
  });
});

describe("arguments", () => {
  it.each<[readonly (readonly [string, string])[], string]>([
    [[["MAC", "02:00:00:00:00:02"]], "CNI_ARGS is without IgnoreUnknown=true"],
    [[["IgnoreUnknown", "0"]], "CNI_ARGS is without IgnoreUnknown=true"],
    [
      [
        ["IgnoreUnknown", "yes"],
        ["IgnoreUnknown", "1"],
      ],
      'CNI_ARGS: "IgnoreUnknown" is not as expected',
    ],
    [
      [
        ["IgnoreUnknown", "1"],
        ["A", "b=c"],
      ],
      'CNI_ARGS: "A" is not as expected',
    ],
    [
      [
        ["IgnoreUnknown", "1"],
        ["", "x"],
      ],
      'CNI_ARGS: "" is not as expected',
    ],
    [
      [
        ["IgnoreUnknown", "1"],
        ["CommonArgs", "x"],
      ],
      'CNI_ARGS: "CommonArgs" is not as expected',
    ],
    [
      [
        ["IgnoreUnknown", "1"],
        ["IP", "10.1.0.5"],
        ["IP", "10.1.0.6"],
      ],
      'CNI_ARGS: "IP" is not as expected',
    ],
  ])("CNI_ARGS %j are left to the plugin", (args, reason) => {
    expect(linkOf(bridge(), { ...attachment, args })).toBe(reason);
  });

  it("none at all are fine", () => {
    expect(linkOf(bridge(), { ...attachment, args: [] })).toEqual(bridgeLink);
  });

  it.each([
    ['{"mac":null}', 'key "runtimeConfig.mac" must be a text'],
    ['{"mac":"02:00:00:00:00:01","mac":"02:00:00:00:00:02"}', 'key "runtimeConfig.mac" is there twice'],
    ['{"mac":"02:00:00:00:00:01","m\\u0061c":""}', 'key "runtimeConfig.mac" is there twice'],
    ['{"ips":"10.1.0.5"}', 'key "runtimeConfig.ips" must be a list'],
    ['{"ips":[null]}', 'key "runtimeConfig.ips[0]" must be a text'],
    ['{"ipRanges":[{}]}', 'key "runtimeConfig.ipRanges[0]" must be a list'],
    [
      '{"ipRanges":[[{"subnet":"10.0.0.0/24","Gateway":""}]]}',
      'key "runtimeConfig.ipRanges[0][0].Gateway" must be written "gateway"',
    ],
    ["[]", "the capability arguments are no object"],
    [`{"mac":"${"0".repeat(8_192)}"}`, "the capability arguments have more than 8192 bytes"],
  ])("capability arguments %s are left to the plugin", (text, reason) => {
    const capabilities = { mac: true, ips: true, ipRanges: true };
    expect(linkOf(macvlan({ capabilities, ...hostLocal() }), withCapabilities(text))).toBe(reason);
  });

  it("capability arguments that no plugin is given do not matter", () => {
    expect(linkOf(bridge(), withCapabilities("no JSON"))).toEqual(bridgeLink);
    const runtime = withCapabilities({ portMappings: [], mac: "02:00:00:00:00:01" });
    expect(linkOf(bridge({ capabilities: { mac: true } }), runtime)).toMatchObject({ mac: "020000000001" });
  });
});

describe("a network as a whole", () => {
  it("may be a list of one plugin", () => {
    const list = JSON.stringify({
      cniVersion: "1.0.0",
      name: "cellar",
      disableCheck: true,
      plugins: [bridge({ bridge: "br0" })],
    });
    expect(linkOf(list)).toEqual({ ...bridgeLink, parent: "br0" });
  });

  it.each([
    [
      '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"bridge"},{"type":"tuning"},{"type":"tuning"}]}',
      "a chain of 3 plugins",
    ],
    [
      '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"bridge"},{"type":"portmap"}]}',
      'a chain with type "portmap", and only tuning may come second',
    ],
    [
      '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"tuning"},{"type":"tuning"}]}',
      'type "tuning" is not one of bridge, macvlan, ptp',
    ],
    ['{"cniVersion":"0.2.0","name":"n","type":"bridge"}', "cniVersion 0.2.0 is below 0.3.0"],
    ['{"name":"n","type":"bridge"}', "cniVersion 0.1.0 is below 0.3.0"],
    [
      '{"cniVersion":"1.0.0","name":"n","type":"host-device"}',
      'type "host-device" is not one of bridge, macvlan, ptp',
    ],
    [
      '{"cniVersion":"1.0.0","name":"n","type":"toString"}',
      'type "toString" is not one of bridge, macvlan, ptp',
    ],
    ['{"cniVersion":"1.0.0","name":"n","type":"bridge","mtu":1,"mtu":2}', 'key "mtu" is there twice'],
    ['{"cniVersion":"1.0.0","name":"n","type":"bridge","mtu":1,"m\\u0074u":2}', 'key "mtu" is there twice'],
    [
      '{"cniVersion":"1.0.0","name":"n","type":"bridge","mtu":1.5e3}',
      'key "mtu" must be a whole number from 0 to 65535',
    ],
    [
      '{"cniVersion":"1.0.0","name":"n","type":"bridge","Bridge":"br0"}',
      'key "Bridge" must be written "bridge"',
    ],
    [
      '{"cniVersion":"1.0.0","CNIVersion":"0.1.0","name":"n","type":"bridge"}',
      'key "CNIVersion" must be written "cniVersion"',
    ],
    [
      '{"cniVersion":"1.0.0","name":"n","type":"bridge","ipam":{"type":"host-local","Type":"x"}}',
      'key "ipam.Type" must be written "type"',
    ],
    [
      '{"cniVersion":"1.0.0","name":"n","type":"bridge","dns":{"domain":"\\ud800"}}',
      'key "dns.domain" has a control character, or half of a surrogate pair',
    ],
    [
      `{"cniVersion":"1.0.0","name":"n","type":"bridge"${" ".repeat(65_536)}}`,
      "the configuration has more than 32768 bytes",
    ],
  ])("%s is left to its plugins", (text, reason) => {
    expect(linkOf(text)).toBe(reason);
    expect(whyExecuted(network(text), attachment)).toBe(reason);
  });

  it("is left to its plugin where the namespace's path could not be printed in one way", () => {
    expect(linkOf(bridge(), { ...attachment, netns: "/run/netns/\u0008" })).toBe(
      "the path of the network namespace has a control character",
    );
  });

  it("that is native has no reason", () => {
    expect(whyExecuted(network(bridge()), attachment)).toBeUndefined();
  });
});

describe("many routes", () => {
  it("of many networks do not hold the event loop: each long configuration has a turn of its own", async () => {
    const routes = Array.from({ length: 255 }, (_, index) => ({ dst: `10.${index}.0.0/16` }));
    const lists = Array.from({ length: 16 }, () =>
      network(bridge(hostLocal({ subnet: "10.1.0.0/16", routes }))),
    );
    let turns = 0;
    const count = () => {
      turns += 1;
      turning = setImmediate(count);
    };
    let turning = setImmediate(count);
    await recognizeBeforehand(lists);
    expect(turns).toBeGreaterThanOrEqual(lists.length);
    turns = 0;
    // They are known now.
    await recognizeBeforehand(lists);
    clearImmediate(turning);
    expect(turns).toBe(0);
    expect(lists.map((list) => whyExecuted(list, attachment))).toEqual(lists.map(() => undefined));
  });
});
