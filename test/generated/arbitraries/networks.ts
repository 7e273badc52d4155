/**
 * Pods with one to four networks of bridge, macvlan and ptp, now and then with tuning behind them, most of which can be attached natively, on nodes that are mostly prepared for it; with wrong
 * states before the ADD, and between ADD and DEL.
 */

import fc from "fast-check";

type Json = Readonly<Record<string, unknown>>;

/** Stands for the node's directory of address files in configurations. */
export const ipamPlace = "@ipam@";

/** Something that happens to the pod or the node between two of the runtime's calls. */
export type Change =
  /** A command of ip(8), in the pod's namespace or the node's. */
  | { readonly kind: "ip"; readonly where: "pod" | "node"; readonly line: string }
  /** All address files of a network go. */
  | { readonly kind: "no-address-files"; readonly network: string }
  /** The directory of them goes, too. */
  | { readonly kind: "no-address-directory"; readonly network: string }
  | { readonly kind: "no-netns" }
  | { readonly kind: "no-plan" }
  | { readonly kind: "no-results" };

export interface AddressFile {
  /** Below the node's directory of address files. */
  readonly path: string;
  readonly content: string;
}

export interface NetworksCase {
  /** Version that the runtime's netconf names. */
  readonly cniVersion: string;
  readonly clusterNetwork: Json;
  /** Capability arguments of the runtime. */
  readonly runtimeConfig: Json;
  readonly definitions: readonly { readonly name: string; readonly config: Json }[];
  /** Networks that the pod's annotation selects. */
  readonly selections: readonly Json[];
  /** Lines for `ip -batch` before the ADD. */
  readonly nodeLinks: readonly string[];
  readonly podLinks: readonly string[];
  /** Links of the node that accept no router advertisements, as the plugin makes its bridges. */
  readonly quiet: readonly string[];
  readonly forwards: boolean;
  readonly directories: readonly string[];
  readonly files: readonly AddressFile[];
  readonly changes: readonly Change[];
  /** Whether native networks are allowed in this call, on the side that has them: what one way attached the other has to check and remove. */
  readonly nativeAdd: boolean;
  readonly nativeDel: boolean;
}

/** Links of a node that macvlan takes as its parent. The first has the node's default route, the second a large MTU, the third is a bridge without a port. */
export const parentLinks = ["uplink0", "uplink1", "parent0"] as const;

/** Small and large numbers as often as the others: percentages are meant as they are. */
const evenly = (min: number, max: number) => fc.noBias(fc.integer({ min, max }));

/** Draws from fast-check, as straight code: later choices depend on earlier ones all the time. */
class Draw {
  readonly #value: fc.GeneratorValue;

  constructor(value: fc.GeneratorValue) {
    this.#value = value;
  }

  /** Inclusive. */
  integer(min: number, max: number): number {
    return this.#value(evenly, min, max);
  }

  /** @param percent how often it is true */
  chance(percent: number): boolean {
    return this.integer(0, 999) < percent * 10;
  }

  of<T>(first: T, ...others: readonly T[]): T {
    return [first, ...others][this.integer(0, others.length)] ?? first;
  }

  /** The members, each only now and then. @param members with a percentage each */
  members(...members: readonly (readonly [percent: number, name: string, value: () => unknown])[]): Json {
    return Object.fromEntries(
      members.filter(([percent]) => this.chance(percent)).map(([, name, value]) => [name, value()]),
    );
  }
}

const macText = (draw: Draw) =>
  `${draw.of("02", "0a", "C2")}:${Array.from({ length: 5 }, () => draw.integer(0, 255).toString(16).padStart(2, "0")).join(":")}`;

/** One family's subnet, with which addresses of it can be written. */
interface Subnet {
  readonly family: 4 | 6;
  readonly prefix: number;
  readonly text: string;
  /** Addresses in it, 2^31 at most. */
  readonly size: number;
  address(offset: number): string;
}

/** @param second tells networks and sets apart @param third tells the ranges of a set apart */
function subnet(draw: Draw, family: 4 | 6, second: number, third: number): Subnet {
  if (family === 4) {
    const prefix = draw.chance(1) ? draw.of(31, 32) : draw.of(24, 24, 24, 24, 25, 26, 27, 28, 29);
    const address = (offset: number) => `10.${second}.${third + (offset >> 8)}.${offset & 255}`;
    return { family, prefix, size: 2 ** (32 - prefix), address, text: `${address(0)}/${prefix}` };
  }
  const prefix = draw.of(64, 64, 112, 120, 126);
  // As host-local names its files: with the longest row of zeros left out.
  const network = third === 0 ? `fd00:${second}` : `fd00:${second}:${third}`;
  const address = (offset: number) => `${network}::${offset === 0 ? "" : offset.toString(16)}`;
  return { family, prefix, size: 2 ** Math.min(31, 128 - prefix), address, text: `${address(0)}/${prefix}` };
}

interface Range {
  readonly subnet: Subnet;
  readonly first: number;
  readonly last: number;
  readonly gateway: number;
  readonly config: Json;
}

function range(draw: Draw, of: Subnet): Range {
  const usable = Math.max(1, Math.min(of.size, 4096) - 2);
  const start = draw.chance(30) ? draw.integer(1, Math.min(usable, 12)) : undefined;
  const end = draw.chance(25) ? Math.min(usable, (start ?? 1) + draw.integer(0, 20)) : undefined;
  const gateway = draw.chance(25) ? draw.integer(1, usable) : undefined;
  const written = {
    subnet: of.text,
    ...(start === undefined ? {} : { rangeStart: of.address(start) }),
    ...(end === undefined ? {} : { rangeEnd: of.address(end) }),
    ...(gateway === undefined ? {} : { gateway: of.address(gateway) }),
  };
  // Values that host-local refuses.
  const wrong = draw.chance(1)
    ? draw.of<Json>(
        { rangeStart: of.address(9), rangeEnd: of.address(3) },
        { gateway: "192.0.2.77" },
        { rangeStart: "192.0.2.9" },
        { subnet: of.address(1) },
        { subnet: "10.0.0.0/33" },
      )
    : {};
  return {
    subnet: of,
    first: start ?? 1,
    last: end ?? usable,
    gateway: gateway ?? 1,
    config: { ...written, ...wrong },
  };
}

/** Zero to three routes, seldom two to one place. */
function routes(
  draw: Draw,
  index: number,
  families: readonly (4 | 6)[],
  ranges: readonly Range[],
): readonly Json[] {
  const all = Array.from({ length: draw.integer(0, 3) }, () => route(draw, index, families, ranges));
  if (draw.chance(2)) return all;
  const seen = new Set<unknown>();
  return all.filter(({ dst }) => {
    const isDefault = dst === "0.0.0.0/0" || dst === "::/0";
    if (seen.has(dst) || (isDefault && index > 0 && !draw.chance(4))) return false;
    seen.add(dst);
    return true;
  });
}

function route(draw: Draw, index: number, families: readonly (4 | 6)[], ranges: readonly Range[]): Json {
  const family = families[draw.integer(0, families.length - 1)] ?? 4;
  const dst =
    family === 4
      ? draw.of(
          "0.0.0.0/0",
          `10.25${index}.0.0/16`,
          `198.51.100.${index * 16}/28`,
          `203.0.113.${index}/32`,
          "10.250.0.0/16",
        )
      : draw.of("::/0", `fd99:${index}::/64`, `2001:db8:${index}::/48`);
  const of = ranges.find(({ subnet }) => subnet.family === family);
  return {
    dst,
    ...(of !== undefined && draw.chance(40)
      ? { gw: of.subnet.address(draw.chance(80) ? of.gateway : Math.min(of.subnet.size - 1, 3)) }
      : {}),
    ...draw.members(
      [2, "mtu", () => 1400],
      [3, "priority", () => draw.of(50, 100)],
      [1, "table", () => 100],
      [1, "scope", () => draw.of(0, 253)],
      [1, "advmss", () => 1300],
    ),
  };
}

/** A network's IPAM configuration, and everything else that belongs to it. */
interface Ipam {
  readonly config: Json | undefined;
  readonly ranges: readonly Range[];
  /** Gateways with their prefix that a bridge with isGateway has. */
  readonly gateways: readonly string[];
  readonly directories: readonly string[];
  readonly files: readonly AddressFile[];
  /** Addresses that the pod could ask for. */
  readonly requests: readonly string[];
}

const noIpam: Ipam = {
  config: undefined,
  ranges: [],
  gateways: [],
  directories: [],
  files: [],
  requests: [],
};

const otherContainer = "c0ffee".padEnd(64, "0");

/** The container that every case is about. */
export const caseContainer = "5eed".padEnd(64, "a");

function reservations(
  draw: Draw,
  directory: string,
  ranges: readonly Range[],
  ifName: string,
): AddressFile[] {
  const files: AddressFile[] = [];
  const reserve = (range: Range, offset: number, content: string) =>
    files.push({ path: `${directory}/${range.subnet.address(offset)}`, content });
  for (const range of ranges) {
    const size = range.last - range.first + 1;
    if (draw.chance(25)) {
      for (let taken = draw.integer(1, 2); taken > 0; taken -= 1) {
        reserve(range, range.first + draw.integer(0, Math.min(size, 8) - 1), `${otherContainer}\r\neth0`);
      }
    }
    if (size <= 14 && draw.chance(4)) {
      for (let offset = range.first; offset <= range.last; offset += 1) {
        reserve(range, offset, draw.of(`${otherContainer}\r\neth0`, otherContainer));
      }
    }
    // An ADD before this one that was not taken back.
    if (draw.chance(0.7)) {
      reserve(
        range,
        range.first,
        draw.of(`${caseContainer}\r\n${ifName}`, `${caseContainer}\r\nother0`, caseContainer),
      );
    }
  }
  return files;
}

function hostLocal(
  draw: Draw,
  name: string,
  index: number,
  ifName: string,
  families: readonly (4 | 6)[],
): Ipam {
  const sets: Range[][] = families.map((family, set) => {
    const second = 100 + index * 10 + set;
    const count = draw.chance(15) ? draw.integer(2, 3) : 1;
    return Array.from({ length: count }, (_, third) => range(draw, subnet(draw, family, second, third)));
  });
  const ranges = sets.flat();
  const [first] = sets;
  const [only] = first ?? [];
  const isOld = first?.length === 1 && draw.chance(40);
  const written = sets.map((set) => set.map(({ config }) => config));
  const config: Json = {
    type: "host-local",
    dataDir: ipamPlace,
    ...(isOld ? only?.config : {}),
    ...(isOld && sets.length === 1 ? {} : { ranges: written.slice(isOld ? 1 : 0) }),
    ...draw.members(
      [45, "routes", () => routes(draw, index, families, ranges)],
      [1, "resolvConf", () => "/etc/resolv.conf"],
      [1, "unknownKey", () => 1],
    ),
  };
  const directories = draw.chance(92) ? [name] : [];
  const files = directories.length === 0 ? [] : reservations(draw, name, ranges, ifName);
  if (directories.length > 0) {
    for (const [set, [range]] of sets.entries()) {
      if (range === undefined || !draw.chance(45)) continue;
      const offset = draw.chance(90) ? draw.integer(range.first, range.last) : range.subnet.size + 5;
      files.push({
        path: `${name}/last_reserved_ip.${set}`,
        content: draw.chance(95) ? range.subnet.address(offset) : draw.of("", "no address", "10.0.0.300"),
      });
    }
    if (draw.chance(96)) files.push({ path: `${name}/lock`, content: "" });
  }
  return {
    config,
    ranges,
    gateways: ranges.map((range) => `${range.subnet.address(range.gateway)}/${range.subnet.prefix}`),
    directories,
    files,
    requests: sets.flatMap(([range]) =>
      range === undefined
        ? []
        : [
            range.subnet.address(
              draw.chance(92)
                ? range.first + draw.integer(0, Math.min(5, range.last - range.first))
                : draw.of(range.gateway, range.subnet.size - 1, range.subnet.size + 3),
            ),
          ],
    ),
  };
}

function staticAddresses(draw: Draw, index: number, families: readonly (4 | 6)[], hasGateway: number): Ipam {
  const ranges = families.map((family, set) => range(draw, subnet(draw, family, 100 + index * 10 + set, 0)));
  const addresses = ranges.map(({ subnet: of, gateway }) => ({
    address: `${of.address(draw.integer(2, 6))}${draw.chance(98) ? `/${of.prefix}` : ""}`,
    ...(draw.chance(hasGateway) ? { gateway: of.address(gateway) } : {}),
  }));
  return {
    ...noIpam,
    ranges,
    config: {
      type: "static",
      ...draw.members(
        [95, "addresses", () => addresses],
        [40, "routes", () => routes(draw, index, families, ranges)],
        [10, "dns", () => dns(draw)],
      ),
    },
    gateways: ranges.map(({ subnet: of, gateway }) => `${of.address(gateway)}/${of.prefix}`),
    requests: ranges.map(({ subnet: of }) => `${of.address(draw.integer(2, 9))}/${of.prefix}`),
  };
}

const dns = (draw: Draw): Json =>
  draw.members(
    [80, "nameservers", () => ["10.96.0.10", "fd00::53"]],
    [40, "domain", () => "pods.example"],
    [40, "search", () => ["a.example", "b.example"]],
    [30, "options", () => ["ndots:5"]],
  );

interface Network {
  readonly name: string;
  readonly ifName: string;
  readonly config: Json;
  readonly ipam: Ipam;
  readonly bridge: string | undefined;
  /** The pod's request for it; for the cluster network the runtime's. */
  readonly asked: Json;
}

function families(draw: Draw, kind: "bridge" | "macvlan" | "ptp"): readonly (4 | 6)[] {
  // The plugins wait for the duplicate address detection of IPv6 addresses of macvlan and ptp, two seconds.
  const six = kind === "bridge" ? 25 : kind === "ptp" ? 6 : 2;
  if (draw.chance(six)) return draw.of<readonly (4 | 6)[]>([6], [4, 6], [6, 4], [6, 6]);
  return draw.chance(12) ? [4, 4] : [4];
}

function network(draw: Draw, index: number): Network {
  const name = index === 0 ? "cluster" : `net-${"abc"[index - 1]}`;
  const kind = draw.chance(20) ? "ptp" : draw.chance(index === 0 ? 82 : 35) ? "bridge" : "macvlan";
  const ifName = index === 0 ? "eth0" : draw.chance(15) ? `data${index}` : `net${index}`;
  const chosen = families(draw, kind);
  const ipam = draw.chance(80)
    ? hostLocal(draw, name, index, ifName, chosen)
    : draw.chance(60)
      ? staticAddresses(draw, index, chosen, kind === "ptp" ? 95 : 60)
      : noIpam;
  const bridge = kind === "bridge" ? (draw.chance(94) ? `br${index}` : "br0") : undefined;
  const own =
    kind === "ptp"
      ? draw.members([3, "ipMasq", () => draw.chance(60)], [1, "ipMasqBackend", () => "nftables"])
      : kind === "macvlan"
        ? {
            ...(draw.chance(96)
              ? { master: draw.chance(98) ? draw.of("uplink0", "uplink0", "uplink1", "parent0") : "uplink9" }
              : {}),
            ...draw.members(
              [
                80,
                "mode",
                () =>
                  draw.chance(3)
                    ? draw.of("passthru", "passthru", "brige")
                    : draw.of("bridge", "bridge", "private", "vepa"),
              ],
              [6, "mac", () => macText(draw)],
              [5, "bcqueuelen", () => draw.of(0, 500, 3000)],
              [1, "linkInContainer", () => draw.chance(60)],
            ),
          }
        : {
            ...draw.members(
              [95, "bridge", () => bridge],
              [55, "isGateway", () => draw.chance(90)],
              [15, "isDefaultGateway", () => true],
              [15, "hairpinMode", () => draw.chance(80)],
              [10, "promiscMode", () => draw.chance(75)],
              [15, "portIsolation", () => draw.chance(80)],
              [3, "ipMasq", () => draw.chance(60)],
              [2, "forceAddress", () => draw.chance(60)],
              [1, "vlan", () => draw.of(0, 100)],
              [2, "preserveDefaultVlan", () => true],
              [1, "macspoofchk", () => false],
              [0.5, "disableContainerInterface", () => draw.chance(50)],
            ),
            // Two seconds each, as for macvlan; for IPv4 it costs nothing.
            ...draw.members([chosen.includes(6) ? 4 : 10, "enabledad", () => true]),
          };
  const capabilities = draw.members(
    [25, "mac", () => true],
    [60, "ips", () => true],
    [1, "bandwidth", () => true],
  );
  const addresses = ipam.requests.length > 0 && draw.chance(22) ? { ips: ipam.requests } : {};
  const mac = draw.chance(15) ? { mac: macText(draw) } : {};
  // As arguments of CNI: of the selection for further networks, in the configuration for the cluster network.
  const isByArguments = draw.chance(25);
  const config: Json = {
    ...(draw.chance(99) ? { cniVersion: draw.of("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.0.0", "1.1.0") } : {}),
    name,
    type: kind,
    ...own,
    ...draw.members(
      [15, "mtu", () => (draw.chance(95) ? draw.of(0, 1280, 1400, 1500) : draw.of(9000, -1, 60))],
      [8, "dns", () => dns(draw)],
      [1.5, "unknownKey", () => draw.of<unknown>(null, 1, { deep: true })],
    ),
    ...(Object.keys(capabilities).length > 0 ? { capabilities } : {}),
    ...(index === 0 && isByArguments && draw.chance(90) ? { args: { cni: { ...addresses, ...mac } } } : {}),
    ...(ipam.config === undefined ? {} : { ipam: ipam.config }),
  };
  const asked =
    index === 0
      ? isByArguments
        ? {}
        : { ...addresses, ...mac }
      : isByArguments
        ? { "cni-args": { ...addresses, ...mac } }
        : { ...addresses, ...mac };
  return {
    name,
    ifName,
    config,
    ipam,
    bridge: bridge === undefined || "bridge" in config ? bridge : "cni0",
    asked,
  };
}

/** Where the backup files of tuning are: below the directory of address files, as all that is compared. */
export const tuningDirectory = "tuning";

function tuning(draw: Draw): Json {
  return {
    type: draw.chance(99) ? "tuning" : "tuning9",
    dataDir: `${ipamPlace}/${tuningDirectory}`,
    ...draw.members(
      [
        60,
        "sysctl",
        () =>
          draw.members(
            [60, "net.ipv4.conf.IFNAME.arp_ignore", () => draw.of("1", "2")],
            [40, "net/ipv6/conf/IFNAME/hop_limit", () => (draw.chance(97) ? "33" : "many")],
            [40, "net.ipv4.neigh.IFNAME.gc_stale_time", () => "33"],
            [10, "net.ipv6.conf.IFNAME.disable_ipv6", () => "1"],
            [2, "net.ipv4.conf.IFNAME.none", () => "1"],
            [2, "net.core.somaxconn", () => "1000"],
          ),
      ],
      [20, "mac", () => macText(draw)],
      [20, "promisc", () => draw.chance(80)],
      [20, "mtu", () => (draw.chance(90) ? draw.of(0, 1280, 1300, 1500) : draw.of(9000, 60))],
      [20, "allmulti", () => draw.chance(70)],
      [20, "txQLen", () => draw.of(0, 500)],
      [1, "unknownKey", () => 1],
      [30, "capabilities", () => ({ mac: true })],
    ),
  };
}

/** A single plugin, or now and then a list of one, or of two. */
function definition(draw: Draw, { config }: Network): Json {
  if (!draw.chance(30)) return config;
  const { cniVersion, name, ...plugin } = config;
  const second = draw.chance(80) ? [tuning(draw)] : [];
  return {
    ...(cniVersion === undefined ? {} : { cniVersion }),
    name,
    ...draw.members([10, "disableCheck", () => draw.chance(50)]),
    plugins: [plugin, ...second],
  };
}

/** The node's bridges as plugins leave them, mostly. */
function bridges(draw: Draw, networks: readonly Network[], isTwice: boolean): readonly string[] {
  const byName = new Map<string, Network[]>();
  for (const network of networks) {
    if (network.bridge === undefined) continue;
    byName.set(network.bridge, [...(byName.get(network.bridge) ?? []), network]);
  }
  return [...byName].flatMap(([name, users]): string[] => {
    // With two ports, a bridge that is not given an address takes the lower one of theirs, which are random.
    const isShared = users.length > 1 || isTwice;
    if (draw.chance(6) && !isShared) return [];
    if (draw.chance(1.5)) return [`link add ${name} type veth peer name ${name}-peer`];
    const addresses = new Set(
      users.flatMap(({ config, ipam }) =>
        config.isGateway === true || config.isDefaultGateway === true ? ipam.gateways : [],
      ),
    );
    const isBare = draw.chance(5);
    return [
      `link add ${name} ${draw.chance(50) || isShared ? `address ${macText(draw)} ` : ""}type bridge`,
      ...(draw.chance(96) ? [`link set ${name} up`] : []),
      ...(users.some(({ config }) => config.promiscMode === true) && draw.chance(90)
        ? [`link set ${name} promisc on`]
        : []),
      ...(isBare
        ? []
        : [...addresses].map(
            (address) => `addr add ${address} dev ${name}${address.includes(":") ? " nodad" : ""}`,
          )),
      ...(draw.chance(2) ? [`addr add 172.31.0.1/24 dev ${name}`] : []),
    ];
  });
}

function changes(draw: Draw, networks: readonly Network[]): readonly Change[] {
  if (!draw.chance(40)) return [];
  const { ifName, name, bridge } = draw.of(networks[0], ...networks.slice(1)) ?? {
    ifName: "eth0",
    name: "cluster",
    bridge: "br0",
  };
  const inPod = (line: string): Change => ({ kind: "ip", where: "pod", line });
  const onNode = (line: string): Change => ({ kind: "ip", where: "node", line });
  return draw.of<readonly Change[]>(
    [inPod(`link del ${ifName}`)],
    [inPod(`link set ${ifName} down`)],
    [inPod(`addr flush dev ${ifName}`)],
    [inPod(`link set ${ifName} down`), inPod(`link set ${ifName} name moved0`)],
    [
      inPod(`link set ${ifName} down`),
      inPod(`link set ${ifName} name moved0`),
      inPod(`link add ${ifName} type bridge`),
    ],
    [inPod(`link del ${ifName}`), inPod(`link add ${ifName} type veth peer name other0`)],
    [inPod(`link set ${ifName} address 02:00:5e:10:00:01`)],
    [inPod(`link add added0 type veth peer name added1`)],
    [{ kind: "no-address-files", network: name }],
    [{ kind: "no-address-directory", network: name }],
    [inPod(`link del ${ifName}`), { kind: "no-address-files", network: name }],
    [{ kind: "no-netns" }],
    [{ kind: "no-plan" }],
    [{ kind: "no-results" }],
    [{ kind: "no-plan" }, { kind: "no-results" }],
    bridge === undefined ? [onNode("link set uplink0 down")] : [onNode(`link del ${bridge}`)],
    bridge === undefined ? [onNode("link set uplink1 down")] : [onNode(`link set ${bridge} down`)],
  );
}

function networksCase(draw: Draw): NetworksCase {
  const count = draw.of(1, 2, 2, 3, 4);
  const networks = Array.from({ length: count }, (_, index) => network(draw, index));
  const [cluster, ...further] = networks;
  if (cluster === undefined) throw new Error("a case without a network");
  const isTwice = further.length > 0 && draw.chance(4);
  const selections = further.map(({ name, ifName, asked, ipam }, index) => {
    const gateway = ipam.ranges[0]?.subnet.address(ipam.ranges[0].gateway);
    return {
      name,
      ...(ifName === `net${index + 1}` ? {} : { interface: ifName }),
      ...asked,
      ...(gateway !== undefined && draw.chance(5) ? { "default-route": [gateway] } : {}),
    };
  });
  const first = selections[0];
  const nodeBridges = bridges(draw, networks, isTwice);
  return {
    cniVersion: draw.of("0.3.1", "0.4.0", "1.0.0", "1.0.0", "1.1.0"),
    clusterNetwork: definition(draw, cluster),
    runtimeConfig: cluster.asked,
    definitions: further.map((network) => ({ name: network.name, config: definition(draw, network) })),
    selections: [
      ...selections,
      ...(isTwice && first !== undefined ? [{ name: first.name, interface: "again0" }] : []),
    ],
    nodeLinks: [...nodeBridges, ...(draw.chance(2) ? ["link set uplink0 down"] : [])],
    podLinks: draw.chance(3)
      ? [`link add ${draw.of(cluster.ifName, ...further.map(({ ifName }) => ifName))} type bridge`]
      : [],
    quiet: draw.chance(97)
      ? nodeBridges.flatMap((line) => /^link add (\S+) .*type bridge$/.exec(line)?.[1] ?? [])
      : [],
    forwards: draw.chance(97),
    directories: [
      ...networks.flatMap(({ ipam }) => ipam.directories),
      ...(draw.chance(96) ? [tuningDirectory] : []),
    ],
    files: networks.flatMap(({ ipam }) => ipam.files),
    changes: changes(draw, networks),
    nativeAdd: draw.chance(85),
    nativeDel: draw.chance(75),
  };
}

export const networksCases: fc.Arbitrary<NetworksCase> = fc
  .gen()
  .map((value) => networksCase(new Draw(value)));
