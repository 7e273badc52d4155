/** Orders of a daemon gone bad, by the rows of the table in docs/security.md, "Refused orders". */

import { Packr } from "msgpackr";
import { type FrameBody, FrameType } from "../../../src/agent/frames.ts";
import { framed } from "./shim-stream.ts";

/** The shim that gets the orders: in a runtime's call, by its CNI_COMMAND, as the process that stays for recorded DELs, or as an agent. */
export type Asker = "ADD" | "CHECK" | "DEL" | "GC" | "STATUS" | "replay" | "agent";

/** The call, the namespaces and the files that the orders are about. */
export interface Scene {
  readonly asker: Asker;
  /** Of the call: the plugins' directory, the container, its network namespace. */
  readonly plugins: string;
  readonly containerId: string;
  readonly netns: string;
  /** A container that the runtime of a GC counts valid. */
  readonly validContainer: string;
  /** Another pod's network namespace, in which a process runs. */
  readonly foreignNetns: string;
  /** The pod's network namespace through a symbolic link, which the daemon could point elsewhere. */
  readonly linkToNetns: string;
  /** A directory that the daemon can write to, with an executable `planted`. */
  readonly cniDir: string;
  /** Names under which the shim's own file is among the plugins. */
  readonly ownNames: readonly string[];
}

/** One that is not refused by its asker. */
export function goodExec(scene: Scene): FrameBody & { readonly env: Readonly<Record<string, string>> } {
  const { asker, containerId, netns, plugins } = scene;
  const attachment = {
    CNI_CONTAINERID: containerId,
    CNI_NETNS: asker === "replay" ? "" : netns,
    CNI_IFNAME: "net1",
    CNI_ARGS: "K8S_POD_NAME=p",
  };
  return {
    plugin: "plugin",
    path: plugins,
    env: {
      CNI_COMMAND: ["GC", "replay", "agent"].includes(asker) ? "DEL" : asker,
      ...(asker === "STATUS" ? {} : attachment),
      CNI_PATH: plugins,
      TRACEPARENT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      TRACESTATE: "vendor=1",
    },
    stdin: Buffer.from("{}"),
    timeoutMs: 10_000,
  };
}

interface Order {
  /** Type and body, or the bytes of a frame with id `rawId`. */
  readonly order: readonly [number, FrameBody] | Buffer;
  readonly says: RegExp;
}

/** Of a frame that is sent as bytes. */
export const rawId = 99;

interface Attack {
  /** First column of the table. */
  readonly about: string;
  readonly orders: (scene: Scene) => readonly Order[];
}

const commands = ["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION", "add", " ADD", ""];
const isAboutAttachment = (asker: Asker) => ["ADD", "CHECK", "DEL"].includes(asker);

const execWith = (scene: Scene, over: FrameBody, says: RegExp): Order => ({
  order: [FrameType.exec, { ...goodExec(scene), ...over }],
  says,
});
const execIn = (scene: Scene, env: Readonly<Record<string, string>>, says: RegExp): Order =>
  execWith(scene, { env: { ...goodExec(scene).env, ...env } }, says);

/** Commands that the asker's orders may run. */
function ownCommands(asker: Asker): readonly string[] {
  if (asker === "agent") return ["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"];
  if (asker === "replay") return ["DEL", "VERSION"];
  return asker === "ADD" || asker === "GC" ? [asker, "DEL", "VERSION"] : [asker, "VERSION"];
}

/** Namespaces that are not the asker's. A replay has none. */
function foreignNamespaces(scene: Scene): readonly string[] {
  const { asker, netns, foreignNetns, linkToNetns } = scene;
  const own = ["/proc/self/ns/net", "/proc/thread-self/ns/net"];
  if (asker === "agent") return own;
  if (asker === "GC") return [...own, foreignNetns, linkToNetns];
  if (asker === "replay") return [...own, netns, foreignNetns, linkToNetns, "/dev/null", "/nonexistent"];
  const others = ["/proc/1/ns/net", "/dev/null", "/nonexistent", "net1", foreignNetns, linkToNetns];
  return [...own, ...others, `${netns}/`, `/.${netns}`, `${netns}2`];
}

/** An EXEC whose `env` has CNI_NETNS twice, which no object can say. */
function execWithVariableTwice(scene: Scene): Buffer {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const { env, ...others } = goodExec(scene);
  const variables = [...Object.entries(env), ["CNI_COMMAND", env.CNI_COMMAND ?? ""]];
  const fields = Object.entries(others).flatMap((pair) => pair.map((part) => packr.pack(part)));
  return framed(
    Buffer.concat([
      Buffer.of(0x93, FrameType.exec, rawId, 0x80 + Object.keys(others).length + 1),
      ...fields.map((field) => Buffer.from(field)),
      Buffer.from(packr.pack("env")),
      Buffer.of(0x80 + variables.length),
      ...variables.flat().map((text) => Buffer.from(packr.pack(text))),
    ]),
  );
}

const addressOf = (...bytes: readonly number[]) => Buffer.from(bytes);

const filesOf = (path: string, ...names: readonly string[]) =>
  names.map((plugin) => ({ plugin, path, fileState: "" }));

/** ATTACH_LINKS and DETACH_LINKS that their own call would have. */
function nativeOrders({ netns, plugins, cniDir }: Scene) {
  const link = { ifName: "net1", kind: "bridge", directory: `${cniDir}/networks/n` };
  const range = { first: addressOf(10, 0, 0, 1), last: addressOf(10, 0, 0, 9), prefix: 24 };
  const newLink = { ...link, parent: "lo", sets: [{ ranges: [range] }], addresses: [], routes: [] };
  return [
    {
      ...{ name: "ATTACH_LINKS", type: FrameType.attachLinks, command: "ADD", link: newLink },
      body: { netns, plugins: filesOf(plugins, "bridge", "host-local"), links: [newLink] },
    },
    {
      ...{ name: "DETACH_LINKS", type: FrameType.detachLinks, command: "DEL", link },
      body: { netns, links: [link] },
    },
  ];
}

type Wrong = readonly (readonly [unknown, RegExp])[];

/** Values of `links` that neither order may have. */
function wrongLinks(link: FrameBody): Wrong {
  const over = (key: string, values: readonly unknown[], says: RegExp): Wrong =>
    values.map((value) => [[{ ...link, [key]: value }], says]);
  return [
    [[], /`links` has no elements/],
    [{}, /`links` is not an array/],
    [Array.from({ length: 65 }, (_, index) => ({ ...link, ifName: `net${index}` })), /`links` has too many/],
    [[link, link], /`links` has two of a name/],
    [[1], /not a map \(in `links`\)/],
    ...over(
      "ifName",
      ["", ".", "..", "a/b", "../all", "all", "default", "a b", "eth%d", "sixteen-bytes-is"],
      /`ifName` is not the name of an interface/,
    ),
    ...over("ifName", [1, null, Buffer.from("net1"), "a\0b"], /`ifName` is/),
    ...over(
      "kind",
      ["", "veth", "vlan", "tuning", "bridge ", "Ptp"],
      /`kind` is none of bridge, macvlan and ptp/,
    ),
    ...over("mac", [Buffer.alloc(0), Buffer.alloc(5), Buffer.alloc(7)], /`mac` is not 6 bytes long/),
    ...over("mac", ["02:00:00:00:00:01"], /`mac` is not/),
    ...over(
      "directory",
      ["", "/", "n", "./n", "/n/", "//n", "/n//m", "/n/.", "/n/../m", "/..", `/${"x".repeat(4096)}`],
      /`directory` is not an absolute path/,
    ),
    ...over("directory", ["/n\0"], /`directory` is not/),
    ...over("backups", ["", "/", "n", "/n/../m", "/n/.", "/n/"], /`backups` is not an absolute path/),
    ...over("backups", ["/n\0", Buffer.from("/n")], /`backups` is not/),
  ];
}

/** Values of `links` that an ATTACH_LINKS may not have. */
function wrongNewLinks(link: FrameBody): Wrong {
  const over = (more: FrameBody, says: RegExp): Wrong[number] => [[{ ...link, ...more }], says];
  const v4 = addressOf(10, 0, 0, 1);
  const v6 = addressOf(0xfd, ...Array<number>(14).fill(0), 1);
  const range = { first: v4, last: v4, prefix: 24 };
  const macvlan = { kind: "macvlan", mode: 4 };
  const sets = (...ranges: readonly unknown[]) => ({ sets: [{ ranges }] });
  return [
    ...["", "all", "default", "../br0", "a/b", "sixteen-bytes-is"].map((parent) =>
      over({ parent }, /`parent` is not the name of an interface/),
    ),
    over({ parent: null }, /`parent` is missing/),
    over({ ...macvlan, parent: null }, /`parent` is missing/),
    over({ kind: "ptp" }, /a key is not one of its kind/),
    over({ kind: "ptp", parent: null, mode: 4 }, /a key is not one of its kind/),
    over({ kind: "ptp", parent: null, isGateway: true }, /a key is not one of its kind/),
    over({ directory: null }, /`directory` is missing/),
    over({ mtu: 67 }, /`mtu` is not 0, or 68 to 65535/),
    over({ mtu: 65_536 }, /`mtu` is not 0, or 68 to 65535/),
    over({ mtu: 2 ** 40 }, /`mtu` is not an unsigned integer/),
    over({ mode: 4 }, /a key is not one of its kind/),
    over({ queueLength: 1 }, /a key is not one of its kind/),
    ...[0, 3, 5, 16].map((mode) => over({ ...macvlan, mode }, /`mode` is none of a macvlan/)),
    ...["hairpin", "isolated", "promiscuous", "isGateway"].flatMap((key) => [
      over({ ...macvlan, [key]: true }, /a key is not one of its kind/),
      over({ [key]: 1 }, new RegExp(`\`${key}\` is not a boolean`)),
    ]),
    over({ sets: Array(17).fill({ ranges: [range] }) }, /`sets` has too many/),
    over(sets(), /`ranges` has no elements/),
    over(sets(...Array(17).fill(range)), /`ranges` has too many/),
    over(sets({ ...range, first: addressOf(10, 0, 0) }), /`first` is not an address of 4 or 16 bytes/),
    over(sets({ ...range, last: v6 }), /addresses are of different families/),
    over(sets({ ...range, gateway: v6 }), /addresses are of different families/),
    over(sets({ ...range, first: addressOf(10, 0, 0, 2) }), /`first` is behind `last`/),
    over(sets({ ...range, prefix: 33 }), /`prefix` is too long/),
    over(sets({ ...range, first: "10.0.0.1" }), /`first` is not/),
    over(
      sets({ first: Buffer.concat([Buffer.alloc(12), v4]), last: v6, prefix: 64 }),
      /an IPv6 address that holds an IPv4 address/,
    ),
    over({ sets: [{ ranges: [range], requested: Buffer.alloc(5) }] }, /`requested` is not an address/),
    over({ addresses: Array(65).fill({ address: v4, prefix: 24 }) }, /`addresses` has too many/),
    over({ addresses: [{ address: v4, prefix: 33 }] }, /`prefix` is too long/),
    over({ addresses: [{ address: v4, prefix: 24, gateway: v6 }] }, /addresses are of different families/),
    over({ routes: Array(257).fill({ destination: v4, prefix: 32 }) }, /`routes` has too many/),
    over({ routes: [{ destination: v4, prefix: 32, gateway: v6 }] }, /addresses are of different families/),
    over({ routes: [{ destination: v4, prefix: 32, metric: -1 }] }, /`metric` is not an unsigned integer/),
    over({ routes: [{ destination: Buffer.alloc(0), prefix: 0 }] }, /`destination` is not an address/),
  ];
}

/** Values of `links` of an ATTACH_LINKS that change what is not a link's own. */
function wrongChanges(link: FrameBody): Wrong {
  const over = (more: FrameBody, says: RegExp): Wrong[number] => [[{ ...link, ...more }], says];
  const setting = { table: "ipv4/conf", name: "arp_notify", value: "1" };
  return [
    ...["", "conf", "ipv4", "ipv4/conf/all", "ipv4/route", "core", "ipv4/../ipv6/conf", "/ipv4/conf"].map(
      (table) => over({ settings: [{ ...setting, table }] }, /`table` has no settings of a link/),
    ),
    ...["../x", "a/b", ".", "A", "a b", "a.b"].map((name) =>
      over({ settings: [{ ...setting, name }] }, /`name` is not that of a setting/),
    ),
    ...["", "x".repeat(64)].flatMap((text) => [
      over({ settings: [{ ...setting, name: text }] }, /`name` is empty, or too long/),
      over({ settings: [{ ...setting, value: text }] }, /`value` is empty, or too long/),
    ]),
    over({ settings: [{ ...setting, value: "a\0b" }] }, /`value` is not/),
    over({ settings: [{ ...setting, isTuning: 1 }] }, /`isTuning` is not a boolean/),
    // Not behind tuning, a node's list of the settings that it may make does not count.
    ...[
      { name: "route_localnet" },
      { name: "forwarding" },
      { value: "2" },
      { table: "ipv6/conf" },
      { table: "ipv6/conf", name: "accept_dad", value: "2" },
      { table: "ipv6/conf", name: "disable_ipv6" },
      { table: "ipv4/neigh", name: "gc_stale_time" },
    ].map((other) => over({ settings: [{ ...setting, ...other }] }, /a setting that only tuning makes/)),
    over({ settings: Array(65).fill(setting) }, /`settings` has too many/),
    over({ tuning: [] }, /`tuning` is not a map/),
    ...[{ mtu: 1400 }, { queueLength: 0 }, { mac: Buffer.alloc(6) }, { changedFlags: 0x100 }].map((tuning) =>
      over({ tuning }, /`backups` is missing/),
    ),
    over({ tuning: {}, backups: "/n" }, /there is nothing to keep/),
    over({ tuning: { mac: Buffer.alloc(5) }, backups: "/n" }, /`mac` is not 6 bytes long/),
    over({ tuning: { mtu: 67 }, backups: "/n" }, /`mtu` is not 0, or 68 to 65535/),
    // Up, a peer, and a flag that is set without being changed.
    ...[
      { flags: 1, changedFlags: 1 },
      { flags: 0x110, changedFlags: 0x110 },
      { flags: 0x200, changedFlags: 0x100 },
    ].map((tuning) => over({ tuning, backups: "/n" }, /`flags` has others/)),
  ];
}

const wrongPlugins: Wrong = [
  [[], /`plugins` has no elements/],
  [Array(65).fill({ plugin: "plugin", path: "/", fileState: "" }), /`plugins` has too many/],
  [[{ plugin: "plugin", path: "/" }], /`fileState` is missing \(in `plugins`\)/],
];

export const attacks: readonly Attack[] = [
  {
    about: "any other variable in `env`",
    orders: (scene) =>
      [
        ...["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "GCONV_PATH", "ld_preload"],
        ...["PATH", "HOME", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "PS4", "TMPDIR"],
        ...["NODE_OPTIONS", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "GODEBUG", "GOTRACEBACK", "HTTPS_PROXY"],
        ...["CNI_NETNS_OVERRIDE", "CNI_", "CNI_COMMAND ", "MULTUS_DELEGATE", "KUBECONFIG", "TRACEPARENT2"],
      ].map((name) => execIn(scene, { [name]: "/x" }, new RegExp(`sets "${name}", which no order may set`))),
  },
  {
    about: "a variable of `env` twice",
    orders: (scene) => [{ order: execWithVariableTwice(scene), says: /sets "CNI_COMMAND" twice/ }],
  },
  {
    about: "CNI_COMMAND that is missing, or does not belong to the call",
    orders: (scene) => {
      const { CNI_COMMAND, ...others } = goodExec(scene).env;
      const foreign = commands.filter((command) => !ownCommands(scene.asker).includes(command));
      return [
        execWith(scene, { env: others }, /does not set CNI_COMMAND/),
        ...foreign.map((command) =>
          execIn(scene, { CNI_COMMAND: command }, /sets CNI_COMMAND to ".*", which/),
        ),
      ];
    },
  },
  {
    about: "CNI_CONTAINERID of another container",
    orders: (scene) => {
      const { asker, containerId, validContainer } = scene;
      const malformed = ["../../etc", "-c", ".spool", "a b", "é", "x".repeat(100_000).concat("/")];
      const wellFormed =
        isAboutAttachment(asker) || asker === "STATUS" ? [validContainer, `${containerId}2`, "0"] : [];
      const valid = asker === "GC" ? [validContainer] : [];
      return [...malformed, ...wellFormed, ...valid].map((id) =>
        execIn(scene, { CNI_CONTAINERID: id }, /sets CNI_CONTAINERID to ".*", which/),
      );
    },
  },
  {
    about: "CNI_NETNS that is not the call's",
    orders: (scene) =>
      foreignNamespaces(scene).map((netns) =>
        execIn(scene, { CNI_NETNS: netns }, /sets CNI_NETNS to ".*", which (is|leads)/),
      ),
  },
  {
    about: "CNI_IFNAME that no interface can have",
    orders: (scene) =>
      ["../../x", "a/b", "sixteen-bytes-is", "eth%d", "a b", "a:b", ".", "..", "\n"].map((ifName) =>
        execIn(scene, { CNI_IFNAME: ifName }, /which is not the name of an interface/),
      ),
  },
  {
    about: "CNI_PATH with another directory",
    orders: (scene) => {
      const { cniDir, plugins } = scene;
      const foreign = [
        cniDir,
        "/bin",
        "",
        ".",
        "relative",
        `${plugins}/..`,
        `${plugins}/.`,
        `${plugins}/../cni`,
      ];
      return [
        ...foreign.flatMap((one) => [`${plugins}:${one}`, `${one}:${plugins}`]),
        cniDir,
        `${plugins}::`,
      ].map((path) =>
        execIn(scene, { CNI_PATH: path }, /in CNI_PATH, which is no directory that plugins may be in/),
      );
    },
  },
  {
    about: "TRACEPARENT or TRACESTATE that is none",
    orders: (scene) => [
      ...["() { :; }; touch /x", "00-1-2-01", `00-${"0".repeat(600)}`, "x".repeat(55), "\x7f".repeat(55)].map(
        (value) => execIn(scene, { TRACEPARENT: value }, /which is no traceparent/),
      ),
      ...["a\nb", "\x1b[0m", "é", "x".repeat(5000)].map((value) =>
        execIn(scene, { TRACESTATE: value }, /which is no tracestate/),
      ),
    ],
  },
  {
    about: "`absentLink` or LINK_EXISTS in another network namespace",
    orders: (scene) =>
      (scene.asker === "GC" ? [scene.netns, ...foreignNamespaces(scene)] : foreignNamespaces(scene)).flatMap(
        (netns) => [
          execWith(
            scene,
            { absentLink: { netns, ifName: "net1" } },
            scene.asker === "replay"
              ? /does not belong to the replay.*absentLink/
              : /`netns` ".*" (is|leads).*absentLink/,
          ),
          {
            order: [FrameType.linkExists, { netns, ifName: "lo" }],
            says:
              scene.asker === "replay"
                ? /LINK_EXISTS: it does not belong to the replay/
                : /LINK_EXISTS: `netns` ".*" (is|leads)/,
          },
        ],
      ),
  },
  {
    about: "DEFAULT_ROUTE in another network namespace, or not in an ADD",
    orders: (scene) => {
      const { asker, netns } = scene;
      const isAdd = asker === "ADD" || asker === "agent";
      return [...foreignNamespaces(scene), ...(isAdd ? [] : [netns])].map((place) => ({
        order: [FrameType.defaultRoute, { netns: place, ifName: "lo", clear: [4, 6], add: [] }],
        says: isAdd
          ? /DEFAULT_ROUTE: `netns` ".*" is/
          : /DEFAULT_ROUTE: it does not belong to the (runtime's|replay)/,
      }));
    },
  },
  {
    about: "LINK_STATES in another network namespace, or not in a CHECK",
    orders: (scene) => {
      const { asker, netns } = scene;
      const isCheck = asker === "CHECK" || asker === "agent";
      const links = [{ ifName: "lo", addresses: ["127.0.0.1"] }];
      return [...foreignNamespaces(scene), ...(isCheck ? [] : [netns])].map((place) => ({
        order: [FrameType.linkStates, { netns: place, links }],
        says: isCheck
          ? /LINK_STATES: `netns` ".*" is/
          : /LINK_STATES: it does not belong to the (runtime's|replay)/,
      }));
    },
  },
  {
    about:
      "ATTACH_LINKS in another network namespace, or not in an ADD; DETACH_LINKS likewise, or not in a DEL",
    orders: (scene) => {
      const { asker, netns } = scene;
      return nativeOrders(scene).flatMap(({ name, type, command, body }) =>
        [...foreignNamespaces(scene), ...(asker === command ? [] : [netns, ""])]
          .filter((place) => name === "DETACH_LINKS" || place !== "")
          .map((place) => ({
            order: [type, { ...body, netns: place }] as const,
            says: new RegExp(
              `^${name}: ${
                asker === command
                  ? '`netns` ".*" is not the network namespace of'
                  : "it does not belong to (the runtime's|the replay|an agent)"
              }`,
            ),
          })),
      );
    },
  },
  {
    about: "a link of these orders of another kind, with a name or path that is none, or beyond a bound",
    orders: (scene) =>
      nativeOrders(scene).flatMap(({ name, type, body, link }) =>
        [...wrongLinks(link), ...(name === "ATTACH_LINKS" ? wrongNewLinks(link) : [])]
          .map(([links, says]): Order => ({ order: [type, { ...body, links }], says }))
          .concat(
            ["1", -1, 1.5, 2 ** 32, [1], true].map((after) => ({
              order: [type, { ...body, after }],
              says: new RegExp(`^${name}: \`after\` is`),
            })),
          )
          .concat(
            name === "ATTACH_LINKS"
              ? wrongPlugins.map(([plugins, says]) => ({ order: [type, { ...body, plugins }], says }))
              : [],
          ),
      ),
  },
  {
    about: "a setting or a change of such a link that is not its own",
    orders: (scene) =>
      nativeOrders(scene)
        .filter(({ name }) => name === "ATTACH_LINKS")
        .flatMap(({ type, body, link }) =>
          wrongChanges(link).map(([links, says]): Order => ({ order: [type, { ...body, links }], says })),
        ),
  },
  {
    about: "a link that is the work of a plugin which `plugins` does not have",
    orders: (scene) =>
      nativeOrders(scene)
        .filter(({ name }) => name === "ATTACH_LINKS")
        .flatMap(({ type, body, link }) => {
          const path = scene.plugins;
          const addresses = [{ address: addressOf(10, 0, 0, 1), prefix: 24 }];
          const over = (missing: string, names: readonly string[], more: FrameBody = {}): Order => ({
            order: [type, { ...body, plugins: filesOf(path, ...names), links: [{ ...link, ...more }] }],
            says: new RegExp(`\`plugins\` does not have ${missing}, of which net1 is the work`),
          });
          return [
            over("bridge", ["plugin"]),
            over("bridge", ["macvlan", "ptp", "host-local", "tuning"]),
            over("host-local", ["bridge", "static"]),
            over("macvlan", ["bridge", "host-local"], { kind: "macvlan", mode: 4 }),
            over("ptp", ["bridge", "host-local"], { kind: "ptp", parent: null }),
            over("static", ["bridge", "host-local"], { addresses }),
            over("tuning", ["bridge", "host-local"], { tuning: {} }),
          ];
        }),
  },
  {
    about: "`leftNetns` in anything but the DEL of a record",
    orders: (scene) => {
      const { asker } = scene;
      const left = {
        bootId: "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e",
        device: 4,
        inode: 2 ** 32 - 1,
        cookie: 1,
      };
      if (!["ADD", "DEL", "replay"].includes(asker)) {
        return [scene.netns, ""].flatMap((netns) => [
          execWith(
            scene,
            { leftNetns: left, env: { ...goodExec(scene).env, CNI_NETNS: netns } },
            /`leftNetns` does not belong to/,
          ),
        ]);
      }
      const commands = ownCommands(asker).filter((command) => command !== "DEL");
      const env = { ...goodExec(scene).env, CNI_COMMAND: "DEL" };
      const malformed: readonly (readonly [unknown, RegExp])[] = [
        [{}, /`bootId` is missing \(in `leftNetns`\)/],
        ["", /`leftNetns` is not a map/],
        [{ ...left, bootId: "x".repeat(40) }, /`bootId` is too long \(in `leftNetns`\)/],
        [{ ...left, bootId: "\0" }, /`bootId` is not a string/],
        [{ ...left, device: -1 }, /`device` is not an unsigned integer/],
        [{ ...left, inode: "1" }, /`inode` is not an unsigned integer/],
        [{ ...left, cookie: 1.5 }, /`cookie` is not an unsigned integer/],
      ];
      return [
        ...commands.map((command) =>
          execWith(
            scene,
            { leftNetns: left, env: { ...env, CNI_COMMAND: command } },
            /`leftNetns` belongs to a plugin's DEL only/,
          ),
        ),
        ...malformed.map(([leftNetns, says]) => execWith(scene, { leftNetns, env }, says)),
      ];
    },
  },
  {
    about: "a plugin that is not the name of a file",
    orders: (scene) =>
      ["", ".", "..", "a/b", "../sh", "/bin/sh", `${scene.plugins}/plugin`].map((plugin) =>
        execWith(scene, { plugin, path: `${scene.plugins}:/bin` }, /is not the file name of a plugin/),
      ),
  },
  {
    about: "a plugin in a directory that is not allowed",
    orders: (scene) =>
      [scene.cniDir, `${scene.plugins}/../cni`, "/bin:/usr/bin"].map((path) =>
        execWith(
          scene,
          { plugin: path.startsWith("/bin") ? "sh" : "planted", path },
          /passed over, as neither/,
        ),
      ),
  },
  {
    about: "the plugin binary itself, under any name",
    orders: (scene) =>
      scene.ownNames.map((plugin) => execWith(scene, { plugin }, /Multus cannot be a delegate of Multus/)),
  },
  {
    about: "an order that the shim does not know",
    orders: () => [22, 255, 2 ** 32 - 1].map((type) => ({ order: [type, {}], says: /unknown order/ })),
  },
];
