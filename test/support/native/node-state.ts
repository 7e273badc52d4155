/**
 * All that an attachment changes, in a form in which two nodes can be compared: links, addresses, routes, sysctls, bridge ports and files, with names for
 * what is random (hardware addresses, names of veths, indices).
 */

import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tuningDirectory } from "../../generated/arbitraries/networks.ts";
import type { Namespace } from "../namespace.ts";
import type { NodeShell } from "./node-shell.ts";

/** Where a node's parts are. */
export interface ObservedNode {
  readonly network: Namespace;
  readonly cniDir: string;
  readonly ipamDir: string;
  readonly directory: string;
}

type Json = Readonly<Record<string, unknown>>;
type Values = readonly Json[];

export interface NamespaceState {
  readonly links: Values;
  readonly routes: Values;
  readonly forwarding: Values;
  /** Of all links, as `path:value` below /proc/sys/net. */
  readonly sysctls: readonly string[];
}

export interface NodeState {
  /** undefined: the pod's namespace is gone. */
  readonly pod: NamespaceState | undefined;
  readonly node: NamespaceState;
  readonly files: readonly { readonly path: string; readonly mode: string; readonly content: unknown }[];
}

/** Exceptions: not compared, or not as they are. Everything else is. */
export const notCompared: readonly { readonly reason: string; readonly what: string }[] = [
  {
    what: "hardware addresses that nobody asked for, and IPv6 addresses and ids made of them",
    reason: "random; each is compared as the place where it appears first",
  },
  { what: "names of veths on the node", reason: "random; compared as the pod's link at the other end" },
  { what: "indices of links", reason: "counted by the kernel; compared as names, but for those in errors" },
  { what: "an address in the plugin's own memory, in an error about an address", reason: "random" },
  { what: "timers of bridges and their ports", reason: "they run" },
  {
    what: "order of addresses in host-local's error about those that it could not give",
    reason: "that of Go's maps",
  },
  {
    what: "of the node's bridges and parent links carrier and state, and link-local addresses, tentative and IPv6 routes in table local that follow from them",
    reason:
      "the kernel changes them seconds later (linkwatch, duplicate address detection), and no plugin waits for it",
  },
  {
    what: "the largest segments that the node's bridges pass on",
    reason:
      "the kernel keeps what the ports allowed that were there; those of an attempt that was undone as well",
  },
  {
    what: "tentative, and routes in table local, of link-local addresses",
    reason: "duplicate address detection ends a second or two later",
  },
  {
    what: "forwarding entries that a bridge has learned, and multicast addresses",
    reason: "they depend on packets",
  },
];

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isLinkLocal = (address: unknown) => typeof address === "string" && address.startsWith("fe80:");

/** Settings that are looked at besides links, addresses, routes and files. */
export type Depth = "links" | "node's sysctls" | "all sysctls";

const lists = `ip -j -d -batch - <<'LINES'
addr show
route show table all
LINES
bridge -j fdb show`;

const sysctls = "/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf";

/** The lines that print everything, the pod's behind a line with a hash sign. grep passes over what cannot be read (stable_secret). */
function script(pod: Namespace | undefined, depth: Depth): string {
  return [
    lists,
    ...(depth === "links" ? [] : [`grep -rs . ${sysctls}`]),
    "echo '#'",
    ...(pod === undefined
      ? []
      : [
          lists.replace("ip -j", `ip -n ${pod.name} -j`).replace("bridge -j", `bridge -n ${pod.name} -j`),
          ...(depth === "all sysctls" ? [`nsenter --net=${pod.path} grep -rs . ${sysctls}`] : []),
        ]),
  ].join("\n");
}

/** ip(8) prints each list on lines of its own; a list begins at the start of a line. */
function listsOf(text: string): Values[] {
  return text.split(/\n(?=\[)/).map((list): Values => {
    const parsed: unknown = JSON.parse(list);
    if (!Array.isArray(parsed)) throw new Error(`no list: ${list.slice(0, 100)}`);
    return parsed.filter(isObject).filter((entry) => Object.keys(entry).length > 0);
  });
}

interface Raw {
  readonly links: Values;
  readonly routes: Values;
  readonly forwarding: Values;
  readonly sysctls: readonly string[];
}

function parse(text: string): Raw {
  const found = text.indexOf("\n/proc/");
  const start = found < 0 ? text.length : found;
  const [links = [], routes = [], forwarding = []] = listsOf(text.slice(0, start));
  const sysctls = text
    .slice(start + 1)
    .split("\n")
    .filter((line) => line !== "" && !line.includes("/stable_secret:"))
    .map((line) => line.replace("/proc/sys/net/", ""));
  return { links, routes, forwarding, sysctls };
}

/** Values in base64 are configurations: of plans (Bytes) and of the result cache (config). */
function decoded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decoded);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) =>
      (key === "Bytes" || key === "config") && typeof member === "string"
        ? [key, Buffer.from(member, "base64").toString()]
        : [key, decoded(member)],
    ),
  );
}

function contentOf(path: string): unknown {
  const text = readFileSync(path, "utf8");
  if (!text.startsWith("{") && !text.startsWith("[")) return text;
  try {
    // The text as well: two files with the same value may differ in their bytes.
    return {
      bytes: text.replaceAll(/"(Bytes|config)":"[^"]*"/g, '"$1":…'),
      value: decoded(JSON.parse(text)),
    };
  } catch {
    return text;
  }
}

function filesBelow(directory: string, node: ObservedNode): NodeState["files"] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => {
      const state = lstatSync(path);
      return {
        path: relative(node.directory, path),
        mode: state.mode.toString(8),
        content: state.isDirectory() ? undefined : contentOf(path),
      };
    });
}

/** The interface part of an EUI-64 address, as `ip` writes it. */
function linkLocalOf(mac: string): string {
  const bytes = mac.split(":").map((byte) => Number.parseInt(byte, 16));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = bytes;
  const groups = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f];
  return `fe80::${groups.map((group) => group.toString(16)).join(":")}`;
}

const linkKeysIgnored = new Set([
  "ifindex",
  "link",
  "link_index",
  "link_netnsid",
  "address",
  "linkinfo",
  "addr_info",
  "master",
  "flags",
  "operstate",
]);
const timers = /timer|_id$|^designated_/;

function withoutTimers(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !timers.test(key))
      .map(([key, member]) => [key, withoutTimers(member)]),
  );
}

const kindOf = (link: Json) => (isObject(link.linkinfo) ? link.linkinfo.info_kind : undefined);

/** A bridge, or a parent link of macvlans or the other end of one: its state follows others', later. */
const followsLater = (link: Json) =>
  kindOf(link) === "bridge" || /^(?:uplink|wire)\d$/.test(String(link.ifname));

/**
 * Looks until no end of a veth between pod and node waits for the carrier that its other end gives or takes: the kernel tells the link of it some time later (linkwatch), and no plugin waits for that.
 * After 30 s it is as it is.
 */
async function lookAtCarriers(
  shell: NodeShell,
  pod: Namespace | undefined,
  depth: Depth,
): Promise<{ readonly host: Raw; readonly inPod: Raw | undefined }> {
  for (const deadline = performance.now() + 30_000; ; await sleep(10)) {
    const [first = "", second = ""] = (await shell.look(script(pod, depth))).split("\n#\n");
    const host = parse(first);
    const inPod = pod === undefined ? undefined : parse(second);
    const isUp = (link: Json | undefined) => Array.isArray(link?.flags) && link.flags.includes("UP");
    const waitsFor = (others: Values | undefined) => (link: Json) => {
      if (kindOf(link) !== "veth" || link.link_netnsid === undefined || !isUp(link)) return false;
      const other = others?.find(({ ifindex }) => ifindex === link.link_index);
      return other !== undefined && isUp(other) !== (link.operstate === "UP");
    };
    const waits = host.links.some(waitsFor(inPod?.links)) || inPod?.links.some(waitsFor(host.links));
    if (waits !== true || performance.now() > deadline) return { host, inPod };
  }
}

/** Gives random values names that are the same on both nodes; for the steps of one case, in their order. */
export class Normalizer {
  readonly #macs = new Map<string, string>();
  readonly #veths = new Map<string, string>();
  readonly #linkLocals = new Map<string, string>();
  readonly #texts: readonly (readonly [text: string, name: string])[];

  /**
   * @param texts that differ between nodes, with their names
   * @param known hardware addresses that were asked for: they stay
   */
  constructor(texts: readonly (readonly [text: string, name: string])[], known: readonly string[]) {
    this.#texts = texts;
    for (const mac of [...known, "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"])
      this.#macs.set(mac.toLowerCase(), mac.toLowerCase());
  }

  #mac(mac: string): string {
    const named = this.#macs.get(mac);
    if (named !== undefined) return named;
    const name = `mac-${this.#macs.size}`;
    this.#macs.set(mac, name);
    this.#linkLocals.set(linkLocalOf(mac), `link-local of ${name}`);
    return name;
  }

  text(text: string): string {
    let replaced = text;
    for (const [own, name] of this.#texts) replaced = replaced.replaceAll(own, name);
    return replaced
      .replaceAll(/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, (mac) => this.#mac(mac))
      .replaceAll(/\bveth[0-9a-f]{8}\b/g, (name) => this.#veth(name))
      .replaceAll(/\bInterface:0x[0-9a-f]+/g, "Interface:pointer")
      .replaceAll(/\bIfindex: \d+/g, "Ifindex: index")
      .replaceAll(/(?<=all requested IPs: )[0-9a-f:. ]+/g, (addresses) =>
        addresses.split(" ").sort().join(" "),
      );
  }

  #veth(name: string): string {
    const named = this.#veths.get(name);
    if (named !== undefined) return named;
    const next = `veth-${this.#veths.size}`;
    this.#veths.set(name, next);
    return next;
  }

  /** The value with every text in it replaced. */
  value<T>(value: T): T {
    return JSON.parse(this.text(JSON.stringify(value ?? null)));
  }

  #links(raw: Raw, isPod: boolean, other: Raw | undefined): Values {
    const names = new Map(raw.links.map((link) => [link.ifindex, String(link.ifname)]));
    const otherNames = new Map(other?.links.map((link) => [link.ifindex, String(link.ifname)]));
    const far = (link: Json) =>
      link.link_netnsid === undefined ? names.get(link.link_index) : `far ${otherNames.get(link.link_index)}`;
    // A random name or address gets its number where it appears first: sorted by names that are the same on both nodes.
    const sorted = raw.links
      .filter(({ ifname }) => ifname !== undefined)
      .map((link) => ({ ...link, ifname: this.text(String(link.ifname)) }) as Json)
      .sort((a, b) => String(a.ifname).localeCompare(String(b.ifname)));
    for (const { address } of sorted) if (typeof address === "string") this.text(address);
    return sorted
      .map((link) => {
        const isSlow = !isPod && followsLater(link);
        const flags = Array.isArray(link.flags) ? link.flags : [];
        const addresses = Array.isArray(link.addr_info) ? link.addr_info.filter(isObject) : [];
        return {
          name: link.ifname,
          beside: link.link ?? far(link),
          master: link.master,
          address: link.address,
          flags: isSlow ? flags.filter((flag) => flag !== "NO-CARRIER" && flag !== "LOWER_UP") : flags,
          operstate: isSlow ? undefined : link.operstate,
          linkinfo: withoutTimers(link.linkinfo),
          ...Object.fromEntries(
            Object.entries(link).filter(
              ([key]) => !linkKeysIgnored.has(key) && !(isSlow && key.startsWith("tso_max_")),
            ),
          ),
          addresses: addresses
            .filter(({ local }) => !(isSlow && isLinkLocal(local)))
            .map(({ tentative, dadfailed, ...address }) => ({
              ...address,
              ...(isSlow || isLinkLocal(address.local) ? {} : { tentative, dadfailed }),
              ...(isLinkLocal(address.local)
                ? { local: this.#linkLocals.get(String(address.local)) ?? address.local }
                : {}),
            })),
        };
      })
      .map((link): Json => this.value(link));
  }

  #namespace(raw: Raw, isPod: boolean, other: Raw | undefined): NamespaceState {
    const slow = new Set(isPod ? [] : raw.links.filter(followsLater).map(({ ifname }) => ifname));
    const fromCarrier = (route: Json) =>
      slow.has(route.dev) &&
      (isLinkLocal(route.dst) || (route.table === "local" && String(route.dst).includes(":")));
    const ofDetection = (route: Json) => isLinkLocal(route.dst) && route.table === "local";
    // The order of routes with the same key tells which came first; between links of the node it does not matter.
    const routes = raw.routes
      .filter((route) => !fromCarrier(route) && !ofDetection(route))
      .map((route) => ({
        ...route,
        // Linkdown and dead follow the carrier.
        flags: slow.has(route.dev) ? undefined : route.flags,
        ...(isLinkLocal(route.prefsrc) ? { prefsrc: "link-local" } : {}),
      }))
      .map((route): Json => this.value(route));
    return {
      links: this.#links(raw, isPod, other),
      routes: routes.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
      forwarding: raw.forwarding
        .filter(({ mac, state }) => state === "permanent" && !/^(33:33|01:)/.test(String(mac)))
        .map((entry): Json => this.value(entry))
        .sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
      sysctls: raw.sysctls.map((line) => this.text(line)).sort(),
    };
  }

  /**
   * Looks at a node and a pod.
   * @param shell in the node's namespace
   * @param pod undefined where its namespace is gone
   */
  async observe(
    node: ObservedNode,
    shell: NodeShell,
    pod: Namespace | undefined,
    depth: Depth,
  ): Promise<NodeState & { readonly nodeLinks: readonly string[] }> {
    const { host, inPod } = await lookAtCarriers(shell, pod, depth);
    // A veth is named after its other end.
    const podNames = new Map(inPod?.links.map((link) => [link.ifindex, String(link.ifname)]));
    for (const link of host.links) {
      if (kindOf(link) !== "veth" || link.link_netnsid === undefined) continue;
      const peer = podNames.get(link.link_index);
      if (peer !== undefined && !this.#veths.has(String(link.ifname)))
        this.#veths.set(String(link.ifname), `veth-of-${peer}`);
    }
    const files = [...filesBelow(node.cniDir, node), ...filesBelow(node.ipamDir, node)];
    // They have addresses of which the kernel has made others, before tuning gave the links new ones.
    for (const { path, content } of files) if (path.includes(`/${tuningDirectory}/`)) this.value(content);
    return {
      pod: inPod === undefined ? undefined : this.#namespace(inPod, true, host),
      node: this.#namespace(host, false, inPod),
      files: this.value(files),
      nodeLinks: host.links.map(({ ifname }) => String(ifname)),
    };
  }
}
