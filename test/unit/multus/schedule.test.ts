/** Which networks of a pod run at once: a test for each rule of docs/configuration.md, "Networks at once". */

import { beforeAll, describe, expect, test } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { RuntimeConf } from "../../../src/cni/types.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { footprintOf } from "../../../src/multus/plan/footprint.ts";
import {
  type AttachConcurrency,
  mostAtOnce,
  mostOf,
  type ScheduledAttachment,
  type ScheduleOptions,
  schedule,
  whyAlone,
  whyInOrder,
} from "../../../src/multus/plan/schedule.ts";
import type { Json } from "../../support/pretended-plugins.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** Further parameters of an attachment. */
interface Given {
  readonly ifName?: string;
  readonly args?: RuntimeConf["args"];
  readonly capabilities?: Json;
  readonly request?: ScheduledAttachment["request"];
  readonly place?: number | undefined;
}

interface Scheduled extends ScheduledAttachment {
  readonly runtime: RuntimeConf;
}

/** A network on a subnet and an interface of its own, unless the test says otherwise. @param plugin the whole configuration, or the first plugin of a chain */
function attachment(index: number, plugin: Json | string, given: Given = {}, ...chained: Json[]): Scheduled {
  const name = `network-${index}`;
  const { ifName = `net${index}`, args = [], capabilities, request = {} } = given;
  const config =
    typeof plugin === "string"
      ? plugin
      : JSON.stringify({ cniVersion: "1.0.0", name, plugins: [plugin, ...chained] });
  const network = parseNetworkConfig(Buffer.from(config), "test", kernels);
  const capabilityArgs = capabilities && Buffer.from(JSON.stringify(capabilities));
  const runtime = { containerId: "c1", netns: "/run/netns/pod", ifName, args, capabilityArgs };
  return { ifName, network, request, place: "place" in given ? given.place : index, runtime };
}

const hostLocal = (index: number, further: Json = {}) => {
  return { type: "host-local", ranges: [[{ subnet: `10.${index}.0.0/24` }]], ...further };
};
const macvlan = (index: number, further: Json = {}): Json => {
  return { type: "macvlan", master: "uplink0", mode: "bridge", ipam: hostLocal(index), ...further };
};

/** Interfaces of each step; a native step's after an `n`, those of an order beside plugins each so. */
function stepsOf(
  attachments: readonly Scheduled[],
  attachConcurrency: AttachConcurrency = "auto",
  further: Partial<ScheduleOptions<Scheduled>> = {},
): string[] {
  const steps = schedule(attachments, {
    attachConcurrency,
    command: "ADD",
    isNative: () => false,
    runtimeOf: ({ runtime }) => runtime,
    ...further,
  });
  return steps.map(({ attachments: together, natives }) => {
    const isNative = natives.length === together.length;
    const names = together.map((one) =>
      !isNative && natives.includes(one) ? `n:${one.ifName}` : one.ifName,
    );
    return isNative ? `n ${names.join(" ")}` : names.join(" ");
  });
}

const aloneIn = (one: Scheduled, mode: AttachConcurrency) =>
  whyAlone(footprintOf(one.network, one.runtime), mode);
const between = (first: Scheduled, second: Scheduled) =>
  whyInOrder(footprintOf(first.network, first.runtime), footprintOf(second.network, second.runtime));

describe("steps", () => {
  const plan = () => [0, 1, 2, 3].map((index) => attachment(index, macvlan(index)));

  test("the cluster network is alone, and the others are at once", () => {
    expect(stepsOf(plan())).toEqual(["net0", "net1 net2 net3"]);
    expect(stepsOf(plan(), 2)).toEqual(["net0", "net1 net2 net3"]);
  });

  test("1 is one after the other, and reads no configuration", () => {
    const runtimeOf = () => {
      throw new Error("asked");
    };
    expect(stepsOf(plan(), 1, { runtimeOf })).toEqual(["net0", "net1", "net2", "net3"]);
  });

  test("the parameters of one whose configuration is too long are not asked for: a DEL would read its cache entry", () => {
    const long = attachment(2, macvlan(2, { note: "x".repeat(4_096) }));
    const asked: string[] = [];
    const runtimeOf = ({ ifName, runtime }: Scheduled) => {
      asked.push(ifName);
      return runtime;
    };
    const attachments = plan().with(2, long);
    expect(stepsOf(attachments, 4, { runtimeOf })).toEqual(["net0", "net1", "net2", "net3"]);
    expect(asked).toEqual(["net1", "net3"]);
  });

  test("only neighbours are put together: the order of what is between them is the plan's", () => {
    const [first, second, , last] = plan();
    const unknown = attachment(2, { type: "sriov" });
    const attachments = [first, second, unknown, last].flatMap((one) => one ?? []);
    expect(stepsOf(attachments)).toEqual(["net0", "net1", "net2", "net3"]);
    expect(stepsOf(attachments, 4)).toEqual(["net0", "net1 net2 net3"]);
  });

  test("one that depends on another begins a new step, with those after it", () => {
    const attachments = [...plan(), attachment(4, macvlan(2)), attachment(5, macvlan(5))];
    expect(stepsOf(attachments)).toEqual(["net0", "net1 net2 net3", "net4 net5"]);
  });

  test("an attachment whose place is not known is alone", () => {
    const attachments = [1, 2, 3].map((index) => attachment(index, macvlan(index), { place: undefined }));
    expect(stepsOf(attachments)).toEqual(["net1", "net2", "net3"]);
  });

  test("an attachment whose parameters cannot be made is alone", () => {
    const runtimeOf = (one: Scheduled) => (one.ifName === "net2" ? undefined : one.runtime);
    expect(stepsOf(plan(), "auto", { runtimeOf })).toEqual(["net0", "net1", "net2", "net3"]);
  });

  test.each([[["10.1.0.1"]], [[]]])("default-route %j in a selection keeps all in order", (defaultRoute) => {
    const attachments = [...plan(), attachment(4, macvlan(4), { request: { defaultRoute } })];
    for (const mode of ["auto", 4] as const) {
      expect(stepsOf(attachments, mode)).toEqual(["net0", "net1", "net2", "net3", "net4"]);
    }
    // No DEL changes default routes.
    expect(stepsOf(attachments, "auto", { command: "DEL" })).toEqual(["net0", "net1 net2 net3 net4"]);
  });

  test("a step has no more than may run at once", () => {
    const many = Array.from({ length: mostAtOnce + 2 }, (_, index) => attachment(index, macvlan(index)));
    expect(stepsOf(many).map((step) => step.split(" ").length)).toEqual([1, mostAtOnce, 1]);
  });

  test("auto runs plugins at once by the number of processors; a number counts whatever that is", () => {
    const most = (command: "ADD" | "DEL") => [1, 2, 4, 64].map((count) => mostOf("auto", command, count));
    expect(most("ADD")).toEqual([2, 4, 8, mostAtOnce]);
    expect(most("DEL")).toEqual([4, 8, 16, mostAtOnce]);
    expect([1, 3, 16].map((count) => mostOf(count, "ADD", 1))).toEqual([1, 3, 16]);
  });
});

describe("native steps", () => {
  const isNative = () => true;

  test("one order makes neighbours, the cluster network among them, also where plugins would go in order", () => {
    const attachments = [0, 1, 1, 3].map((subnet, index) => attachment(index, macvlan(subnet)));
    for (const mode of [1, "auto"] as const) {
      expect(stepsOf(attachments, mode, { isNative })).toEqual(["n net0 net1 net2 net3"]);
    }
  });

  test("one order makes what is between executed ones", () => {
    const attachments = [0, 1, 2, 3, 4, 5].map((index) => attachment(index, macvlan(index)));
    const some = ({ ifName }: Scheduled) => ["net0", "net1", "net4"].includes(ifName);
    expect(stepsOf(attachments, "auto", { isNative: some })).toEqual([
      "n net0 net1",
      "net2 net3",
      "n net4",
      "net5",
    ]);
  });

  describe("of a DEL, plugins beside an order", () => {
    const plan = (...plugins: readonly Json[]) => [
      attachment(0, macvlan(0)),
      ...plugins.map((plugin, index) => attachment(index + 1, plugin)),
    ];
    /** Those that are executed have an odd number. */
    const even = ({ ifName }: Scheduled) => Number(ifName.slice(3)) % 2 === 0;
    const deleting = (attachments: readonly Scheduled[], mode: AttachConcurrency = "auto") =>
      stepsOf(attachments, mode, { isNative: even, command: "DEL" });
    const four = [1, 2, 3, 4].map((index) => macvlan(index));

    test("run where they are independent of its links; the cluster network comes last", () => {
      for (const mode of ["auto", 2] as const)
        expect(deleting(plan(...four), mode)).toEqual(["n net0", "net1 n:net2 net3 n:net4"]);
    });

    test("do not in an ADD, nor one after the other", () => {
      const inOrder = ["n net0", "net1", "n net2", "net3", "n net4"];
      expect(deleting(plan(...four), 1)).toEqual(inOrder);
      expect(stepsOf(plan(...four), "auto", { isNative: even })).toEqual(inOrder);
    });

    test("do not beside the cluster network, also where that is executed", () => {
      const odd = (one: Scheduled) => !even(one);
      const some = {
        command: "DEL",
        isNative: ({ ifName }: Scheduled) => ["net0", "net1"].includes(ifName),
      } as const;
      expect(stepsOf(plan(...four.slice(0, 2)), "auto", some)).toEqual(["n net0 net1", "net2"]);
      expect(stepsOf(plan(...four.slice(0, 2)), "auto", { command: "DEL", isNative: odd })).toEqual([
        "net0",
        "n:net1 net2",
      ]);
    });

    test.each<[string, readonly Json[], readonly string[]]>([
      [
        "the executed one is put on a native one's link",
        [macvlan(1), macvlan(2), macvlan(3, { master: "net2" })],
        ["n net0", "net1 n:net2", "net3"],
      ],
      ["the native one's addresses overlap", [macvlan(1), macvlan(1)], ["n net0", "net1", "n net2"]],
      [
        "the native one brings a default route",
        [macvlan(1), { ...macvlan(2), ipam: hostLocal(2, { routes: [{ dst: "0.0.0.0/0" }] }) }],
        ["n net0", "net1", "n net2"],
      ],
      [
        "the executed plugin is not known",
        [{ ...macvlan(1), type: "sriov" }, macvlan(2), macvlan(3)],
        ["n net0", "net1", "n:net2 net3"],
      ],
      [
        "the native one takes its master for itself",
        [macvlan(1), macvlan(2, { mode: "passthru" })],
        ["n net0", "net1", "n net2"],
      ],
    ])("keep the order where %s", (_, plugins, steps) => {
      expect(deleting(plan(...plugins))).toEqual(steps);
    });

    test("do where native ones of the order depend on each other", () => {
      const attachments = [...plan(macvlan(1), macvlan(2)), attachment(4, macvlan(2))];
      expect(deleting(attachments)).toEqual(["n net0", "net1 n:net2 n:net4"]);
    });

    test("a container's attachment without a place keeps the order", () => {
      const unplaced = attachment(2, macvlan(2), { place: undefined });
      expect(deleting([...plan(macvlan(1)), unplaced])).toEqual(["n net0", "net1", "n net2"]);
    });
  });

  test("an order has each interface once", () => {
    const attachments = [0, 1, 2].map((index) => attachment(index, macvlan(index), { ifName: "net1" }));
    expect(stepsOf(attachments, 1, { isNative })).toEqual(["n net1", "n net1", "n net1"]);
  });

  test("an order has 64 links at most", () => {
    const many = Array.from({ length: 65 }, (_, index) => attachment(index, macvlan(index)));
    expect(stepsOf(many, 1, { isNative }).map((step) => step.split(" ").length - 1)).toEqual([64, 1]);
  });

  test("default-route in a selection is set before the next network is made", () => {
    const attachments = [0, 1].map((index) =>
      attachment(index, macvlan(index), { request: { defaultRoute: ["10.1.0.1"] } }),
    );
    expect(stepsOf(attachments, 1, { isNative })).toEqual(["n net0", "n net1"]);
    expect(stepsOf(attachments, 1, { isNative, command: "DEL" })).toEqual(["n net0 net1"]);
  });
});

/** Both modes: an operator who sets a number has not said that these may run at once. */
describe("nothing runs beside", () => {
  test.each<[string, Json, RegExp]>([
    ["a master in the pod", { linkInContainer: true }, /linkInContainer/],
    ["the same key in another case", { LINKINCONTAINER: true }, /linkInContainer/],
    [
      "a default route of its IPAM",
      { ipam: hostLocal(1, { routes: [{ dst: "0.0.0.0/0" }] }) },
      /default route/,
    ],
    [
      "a default route of IPv6",
      { ipam: hostLocal(1, { routes: [{ dst: "::/0", gw: "fd00::1" }] }) },
      /default route/,
    ],
    ["a default route of the bridge", { type: "bridge", isDefaultGateway: true }, /isDefaultGateway/],
    ["a key that is there twice", { Master: "a" }, /"master" is there twice/],
    [
      "an address that is none",
      { ipam: { type: "static", addresses: [{ address: "10.0.0" }] } },
      /no address/,
    ],
    [
      "a prefix that is none",
      { ipam: { type: "static", addresses: [{ address: "10.0.0.1/33" }] } },
      /no address/,
    ],
    ["args that are no object", { args: "cni" }, /args is no object/],
    [
      "many addresses",
      { ipam: hostLocal(1, { routes: Array(16).fill({ dst: "10.9.0.0/24" }) }) },
      /more than 16/,
    ],
    ["a large configuration", { ipam: hostLocal(1, { routes: [{ dst: " ".repeat(5_000) }] }) }, /bytes/],
  ])("a network with %s", (_, further, why) => {
    const one = attachment(1, macvlan(1, further));
    expect(aloneIn(one, "auto")).toMatch(why);
    expect(aloneIn(one, 4)).toMatch(why);
  });

  test.each(["sbr", "vrf"])("a chain with %s", (type) => {
    const one = attachment(1, macvlan(1), {}, { type });
    for (const mode of ["auto", 4] as const) expect(aloneIn(one, mode)).toMatch(`plugin ${type}`);
  });

  test.each([
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.conf.eth0.rp_filter",
    "net/ipv4/conf/net1/../all/rp_filter",
    "net.ipv4.ip_forward",
    "net.core.somaxconn",
  ])("tuning with sysctl %s", (name) => {
    for (const tuning of [{ sysctl: { [name]: "1" } }, { args: { cni: { sysctl: { [name]: "1" } } } }]) {
      const one = attachment(1, macvlan(1), {}, { type: "tuning", ...tuning });
      for (const mode of ["auto", 4] as const) expect(aloneIn(one, mode)).toMatch(name);
    }
  });
});

describe("tuning of its own interface runs beside others", () => {
  test.each([
    "net.ipv4.conf.IFNAME.arp_filter",
    "net/ipv6/conf/IFNAME/accept_ra",
    "net.ipv4.conf.net1.rp_filter",
  ])("with sysctl %s", (name) => {
    const one = attachment(
      1,
      macvlan(1),
      {},
      { type: "tuning", sysctl: { [name]: "1" }, mtu: 1400, promisc: true },
    );
    expect(aloneIn(one, "auto")).toBeUndefined();
  });
});

/** An operator who sets a number vouches for these. */
describe("auto keeps order, and a number does not, for", () => {
  test.each<[string, Json, RegExp]>([
    ["a plugin that is not known", { type: "ipvlan" }, /"ipvlan"/],
    [
      "an IPAM plugin that is not known",
      { ipam: { type: "whereabouts", range: "10.1.0.0/24" } },
      /"whereabouts"/,
    ],
    ["a key of a plugin that is not known", { vlanId: 5 }, /"vlanid"/],
    ["a key of its IPAM that is not known", { ipam: hostLocal(1, { exclude: [] }) }, /"exclude"/],
    ["a key of args.cni that is not known", { args: { cni: { allMasters: true } } }, /"allmasters"/],
    ["a device", { deviceID: "0000:03:00.1" }, /device/],
    ["a chain that does not begin with an interface", { type: "tuning" }, /not where it usually is/],
  ])("%s", (_, further, why) => {
    const one = attachment(1, macvlan(1, further));
    expect(aloneIn(one, "auto")).toMatch(why);
    expect(aloneIn(one, 4)).toBeUndefined();
  });

  test("a further plugin that is not known", () => {
    const one = attachment(1, macvlan(1), {}, { type: "portmap" });
    expect(aloneIn(one, "auto")).toMatch(/"portmap"/);
    expect(aloneIn(one, 4)).toBeUndefined();
  });

  test("a second interface in a chain", () => {
    expect(aloneIn(attachment(1, macvlan(1), {}, macvlan(2)), "auto")).toMatch(/not where it usually is/);
  });

  test("a device that is assigned to it", () => {
    const one = attachment(1, macvlan(1), { capabilities: { deviceID: "0000:03:00.1" } });
    expect(aloneIn(one, "auto")).toMatch(/device/);
  });

  test("a capability argument that reaches a plugin and is not known", () => {
    const given = {
      capabilities: { bandwidth: { ingressRate: 1 }, mac: "02:00:00:00:00:01", ips: ["10.1.0.5/24"] },
    };
    const capable = (names: Json) => attachment(1, macvlan(1, { capabilities: names }), given);
    expect(aloneIn(capable({ bandwidth: true }), "auto")).toMatch(/"bandwidth"/);
    expect(aloneIn(capable({ bandwidth: false, mac: true, ips: true }), "auto")).toBeUndefined();
  });
});

describe("known networks run beside others", () => {
  test.each<[string, Json]>([
    [
      "bridge",
      { type: "bridge", bridge: "br1", isGateway: true, ipMasq: true, hairpinMode: true, mtu: 1400 },
    ],
    ["macvlan", macvlan(1, { mtu: 1400, mac: "02:00:00:00:00:01", bcqueuelen: 100 })],
    ["ptp", { type: "ptp", ipMasq: true, mtu: 1400, ipam: hostLocal(1) }],
    ["a network without addresses", { type: "macvlan", master: "uplink0" }],
    [
      "static addresses",
      macvlan(1, { ipam: { type: "static", addresses: [{ address: "10.1.0.5/24", gateway: "10.1.0.1" }] } }),
    ],
    [
      "the old form of a range",
      macvlan(1, { ipam: { type: "host-local", subnet: "10.1.0.0/24", rangeStart: "10.1.0.9" } }),
    ],
    [
      "a route to a part of the addresses",
      macvlan(1, { ipam: hostLocal(1, { routes: [{ dst: "192.168.0.0/16" }] }) }),
    ],
  ])("%s", (_, plugin) => {
    expect(aloneIn(attachment(1, plugin), "auto")).toBeUndefined();
    expect(stepsOf([attachment(1, plugin), attachment(2, macvlan(2))])).toEqual(["net1 net2"]);
  });
});

describe("two networks keep their order", () => {
  const both = (first: Json, second: Json, given: Given = {}) => [
    attachment(1, first, given),
    attachment(2, second, given),
  ];

  test.each<[string, Json, Json, RegExp]>([
    [
      "the master of one is the other's bridge",
      { type: "bridge", bridge: "br1" },
      macvlan(2, { master: "br1" }),
      /"br1", the master/,
    ],
    [
      "the master of one is the other's bridge by default",
      { type: "bridge" },
      macvlan(2, { master: "cni0" }),
      /"cni0", the master/,
    ],
    [
      "the master of one is the other's interface",
      macvlan(1),
      macvlan(2, { master: "net1" }),
      /"net1", the master/,
    ],
    [
      "the master of the first is the second's interface",
      macvlan(1, { master: "net2" }),
      macvlan(2),
      /"net2", the master/,
    ],
    [
      "both make one bridge",
      { type: "bridge", bridge: "br1" },
      { type: "bridge", bridge: "br1" },
      /link "br1"/,
    ],
    ["one of them takes the master for itself", macvlan(1), macvlan(2, { mode: "passthru" }), /passthru/],
    [
      "one of them takes a master that may be the other's",
      macvlan(1, { master: undefined }),
      macvlan(2, { mode: "passthru" }),
      /passthru/,
    ],
    ["their subnets are one", macvlan(1), macvlan(1), /overlap/],
    [
      "the subnet of one is in the other's",
      macvlan(1),
      macvlan(2, { ipam: { type: "host-local", subnet: "10.0.0.0/8" } }),
      /overlap/,
    ],
    [
      "the address of one is in the other's subnet",
      macvlan(1),
      macvlan(2, { ipam: { type: "static", addresses: [{ address: "10.1.0.9/32" }] } }),
      /overlap/,
    ],
    [
      "the subnets of IPv6 are one",
      macvlan(1, { ipam: { type: "host-local", subnet: "fd00::/64" } }),
      macvlan(2, { ipam: { type: "host-local", subnet: "FD00:0::/64" } }),
      /overlap/,
    ],
    [
      "a route of one leads to the other's subnet",
      macvlan(1),
      macvlan(2, { ipam: hostLocal(2, { routes: [{ dst: "10.1.0.0/16" }] }) }),
      /overlap/,
    ],
    [
      "their routes have one destination",
      macvlan(1, { ipam: hostLocal(1, { routes: [{ dst: "192.168.0.0/16" }] }) }),
      macvlan(2, { ipam: hostLocal(2, { routes: [{ dst: "192.168.0.0/16" }] }) }),
      /overlap/,
    ],
    [
      "both ask for one hardware address",
      macvlan(1, { mac: "02:00:00:00:00:AA" }),
      macvlan(2, { mac: "02:00:00:00:00:aa" }),
      /hardware address/,
    ],
    [
      "both ask for one hardware address in args",
      macvlan(1, { mac: "02:00:00:00:00:AA" }),
      macvlan(2, { args: { cni: { mac: "02:00:00:00:00:aa" } } }),
      /hardware address/,
    ],
  ])("where %s", (_, first, second, why) => {
    const [one, two] = both(first, second) as [Scheduled, Scheduled];
    expect(between(one, two)).toMatch(why);
    expect(between(two, one)).toMatch(why);
    for (const mode of ["auto", 4] as const) expect(stepsOf([one, two], mode)).toEqual(["net1", "net2"]);
  });

  test("that are one network: it has one store of addresses, and the order says who gets which", () => {
    const config = JSON.stringify({ cniVersion: "1.0.0", name: "one", ...macvlan(1) });
    const other = JSON.stringify({ cniVersion: "1.0.0", name: "one", ...macvlan(2) });
    expect(between(attachment(1, config), attachment(2, config))).toMatch(/one network/);
    expect(between(attachment(1, config), attachment(2, other))).toMatch(/one network/);
  });

  test("that have one interface", () => {
    expect(
      between(attachment(1, macvlan(1), { ifName: "a" }), attachment(2, macvlan(2), { ifName: "a" })),
    ).toMatch(/link "a"/);
  });

  test("that get one device", () => {
    const given = { capabilities: { deviceID: "0000:03:00.1" } };
    const [one, two] = both({ type: "sriov" }, { type: "sriov" }, given) as [Scheduled, Scheduled];
    expect(between(one, two)).toMatch(/one device/);
    expect(stepsOf([one, two], 4)).toEqual(["net1", "net2"]);
  });

  test.each<[string, Given, RegExp]>([
    ["the runtime asks for the address of", { args: [["IP", "10.8.0.5"]] }, /overlap/],
    [
      "the runtime asks for the hardware address of",
      { args: [["MAC", "02:00:00:00:00:01"]] },
      /hardware address/,
    ],
    ["a capability argument has the address of", { capabilities: { ips: ["10.8.0.5/24"] } }, /overlap/],
    [
      "a capability argument has the hardware address of",
      { capabilities: { mac: "02:00:00:00:00:01" } },
      /hardware address/,
    ],
  ])("where %s both", (_, given, why) => {
    const capabilities = { mac: true, ips: true };
    const [one, two] = both(macvlan(1, { capabilities }), macvlan(2, { capabilities }), given) as [
      Scheduled,
      Scheduled,
    ];
    expect(between(one, two)).toMatch(why);
  });

  test("but not for one master that they share: pods do so, too", () => {
    const [one, two] = both(macvlan(1), macvlan(2)) as [Scheduled, Scheduled];
    expect(between(one, two)).toBeUndefined();
  });
});
