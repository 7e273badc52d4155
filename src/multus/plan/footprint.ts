/** A network's footprint: what its plugins touch, read from its configuration and from what the runtime asks for. Two networks run at once only where footprints do not meet (schedule.ts). */

import { BlockList, isIP } from "node:net";
import { InputError } from "../../base/input-error.ts";
import { isJsonObject, type JsonObject, listOf, parseJson, textOf } from "../../base/json.ts";
import type { NetworkConfigList, RuntimeConf } from "../../cni/types.ts";
import { quoted } from "../../log/quoted.ts";

/** Bytes of a configuration that is read; a larger one keeps its place in the order. Usual ones have some 500. */
const longestRead = 4 * 1024;
/** Addresses and routes of one network that are compared with those of others. */
const mostBlocks = 16;

/** Addresses that a network has, or that its routes lead to: a block of them. */
interface Block {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

export interface Footprint {
  /** The network's name. */
  readonly name: string;
  /** Why none of its plugins may run beside those of another network, whoever says that they may; undefined: they may. */
  readonly alone: string | undefined;
  /** Why it is not known what its plugins touch; undefined: it is known. */
  readonly unknown: string | undefined;
  /** Links that its plugins make or need to be as they left them: the interface, and a bridge. */
  readonly links: ReadonlySet<string>;
  /** Links that it is put on. "": the plugin looks for one itself. */
  readonly masters: ReadonlySet<string>;
  /** It takes its master for itself. */
  readonly isPassthru: boolean;
  readonly blocks: readonly Block[];
  readonly blockList: BlockList;
  /** Hardware addresses that are asked for, in lower case. */
  readonly macs: ReadonlySet<string>;
  /** Devices that it gets. */
  readonly devices: ReadonlySet<string>;
}

/** Plugins that have nothing to do with another interface of the pod than their own, by their sources (containernetworking/plugins 1.9.1), with the keys that they read. */
const known: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [
    "bridge",
    keys(
      "bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode promiscMode vlan vlanTrunk preserveDefaultVlan macspoofchk enabledad portIsolation",
    ),
  ],
  ["macvlan", keys("master mode mtu mac linkInContainer bcqueuelen")],
  ["ptp", keys("ipMasq ipMasqBackend mtu")],
  ["tuning", keys("dataDir sysctl mac promisc mtu txQLen allmulti")],
]);
/** Those of them that make an interface, and come first in a chain. */
const makers: ReadonlySet<string> = new Set(["bridge", "macvlan", "ptp"]);
const everyPlugin = keys("cniVersion name type capabilities ipam dns args");
const knownIpam: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["", keys("type")],
  ["host-local", keys("type dataDir resolvConf ranges routes subnet rangeStart rangeEnd gateway")],
  ["static", keys("type addresses routes dns")],
]);
const knownCniArgs = keys("mac ips sysctl promisc mtu allmulti txQLen labels");
/** Plugins that look at all interfaces, rules and tables of the pod, to take a number that is free. */
const searching: ReadonlySet<string> = new Set(["sbr", "vrf"]);

function keys(names: string): ReadonlySet<string> {
  return new Set(names.toLowerCase().split(" "));
}

/** A configuration that cannot be read as it has to be. */
class Unreadable extends Error {}

/** Is a network's configuration too long to be read for its footprint, whatever its attachment asks for? */
export function isTooLong({ plugins }: NetworkConfigList): boolean {
  return plugins.reduce((sum, { bytes }) => sum + bytes.length, 0) > longestRead;
}

/** @param network as its plugins get it @param runtime of the attachment */
export function footprintOf(network: NetworkConfigList, runtime: RuntimeConf): Footprint {
  const print = new Reading(network.name, runtime.ifName);
  try {
    print.read(network, runtime);
  } catch (error) {
    if (!(error instanceof Unreadable || error instanceof InputError)) throw error;
    print.alone ??= error.message;
  }
  return print;
}

/** The part that has been read so far. */
class Reading implements Footprint {
  readonly name: string;
  alone: string | undefined;
  unknown: string | undefined;
  readonly links = new Set<string>();
  readonly masters = new Set<string>();
  isPassthru = false;
  readonly blocks: Block[] = [];
  readonly blockList = new BlockList();
  readonly macs = new Set<string>();
  readonly devices = new Set<string>();
  readonly #ifName: string;

  constructor(name: string, ifName: string) {
    this.name = name;
    this.#ifName = ifName;
    this.links.add(ifName);
  }

  read(network: NetworkConfigList, { args, capabilityArgs }: RuntimeConf): void {
    const { plugins } = network;
    const length = plugins.reduce((sum, { bytes }) => sum + bytes.length, capabilityArgs?.length ?? 0);
    if (length > longestRead) {
      throw new Unreadable(`its configuration has ${length} bytes, and ${longestRead} are read`);
    }
    const capable = new Set(plugins.flatMap(({ capabilities }) => capabilities));
    if (capabilityArgs !== undefined) this.#capabilities(parseJson(capabilityArgs, "capabilities"), capable);
    for (const [key, value] of args) {
      if (key === "MAC") this.#mac(value);
      if (key === "IP") for (const each of value.split(",")) this.#block(each);
    }
    for (const [index, { type, bytes }] of plugins.entries()) {
      if (searching.has(type)) this.alone ??= `plugin ${type} takes a number that is free in the pod`;
      if (!known.has(type)) this.unknown ??= `plugin ${quoted(type)} is not known to keep to its interface`;
      if (makers.has(type) !== (index === 0))
        this.unknown ??= `plugin ${quoted(type)} is not where it usually is`;
      this.#plugin(type, objectOf(parseJson(bytes, "configuration"), "the configuration"));
    }
  }

  /** Arguments that the network's plugins declare; the others do not reach them. */
  #capabilities(given: unknown, capable: ReadonlySet<string>): void {
    for (const [key, value] of Object.entries(isJsonObject(given) ? given : {})) {
      if (key === "deviceID" && typeof value === "string") {
        this.devices.add(value);
        this.unknown ??= "it has a device";
      }
      if (!capable.has(key)) continue;
      if (key === "mac") this.#mac(value);
      else if (key === "ips") for (const each of listOf(value)) this.#block(each);
      else this.unknown ??= `it is given the capability argument ${quoted(key)}`;
    }
  }

  #plugin(type: string, plugin: Lowered): void {
    this.#keysKnown(plugin, known.get(type), `plugin ${type}`);
    if (isTrue(plugin.get("linkincontainer")))
      this.alone ??= "its master is an interface of the pod (linkInContainer)";
    if (isTrue(plugin.get("isdefaultgateway"))) this.alone ??= "it brings a default route (isDefaultGateway)";
    this.#mac(plugin.get("mac"));
    for (const key of ["deviceid", "pcibusid"]) {
      const device = plugin.get(key);
      if (typeof device !== "string" || device === "") continue;
      this.devices.add(device);
      this.unknown ??= "it has a device";
    }
    if (type === "bridge") this.links.add(textOf(plugin.get("bridge")) || "cni0");
    const master = plugin.get("master");
    if (type === "macvlan" || master !== undefined) this.masters.add(textOf(master));
    if (plugin.get("mode") === "passthru") this.isPassthru = true;
    const cniArgs = sub(sub(plugin, "args"), "cni");
    this.#keysKnown(cniArgs, knownCniArgs, "args.cni", false);
    this.#mac(cniArgs.get("mac"));
    for (const each of listOf(cniArgs.get("ips"))) this.#block(each);
    for (const sysctls of [plugin.get("sysctl"), cniArgs.get("sysctl")]) {
      for (const name of Object.keys(isJsonObject(sysctls) ? sysctls : {})) this.#sysctl(name);
    }
    this.#ipam(sub(plugin, "ipam"));
  }

  #ipam(ipam: Lowered): void {
    const type = textOf(ipam.get("type"));
    const itsKeys = knownIpam.get(type);
    if (itsKeys === undefined) this.unknown ??= `what IPAM plugin ${quoted(type)} gives is not known`;
    this.#keysKnown(ipam, itsKeys, `ipam of ${quoted(type)}`, false);
    // `range` is whereabouts'.
    for (const key of ["subnet", "range"]) if (textOf(ipam.get(key)) !== "") this.#block(ipam.get(key));
    for (const set of listOf(ipam.get("ranges"))) {
      for (const range of Array.isArray(set) ? set : [set]) {
        const lowered = objectOf(range, "a range");
        for (const key of ["subnet", "range"]) if (lowered.has(key)) this.#block(lowered.get(key));
      }
    }
    for (const each of listOf(ipam.get("addresses")))
      this.#block(objectOf(each, "an address").get("address"));
    for (const each of listOf(ipam.get("routes"))) {
      const { prefix } = this.#block(objectOf(each, "a route").get("dst"));
      if (prefix === 0) this.alone ??= "it brings a default route (ipam.routes)";
    }
  }

  /** @param isPlugin the keys that every plugin has are known too */
  #keysKnown(
    object: Lowered,
    itsKeys: ReadonlySet<string> | undefined,
    where: string,
    isPlugin = true,
  ): void {
    if (itsKeys === undefined) return;
    for (const key of object.keys()) {
      if (itsKeys.has(key) || (isPlugin && everyPlugin.has(key))) continue;
      this.unknown ??= `${where}: it is not known what key ${quoted(key)} does`;
    }
  }

  /** A sysctl of another interface, or of all of them, changes what the plugins of other networks find. */
  #sysctl(name: string): void {
    // As tuning reads it: points are slashes, IFNAME is the interface.
    const own = name.replaceAll(".", "/").replace("IFNAME", this.#ifName);
    const [net, family, kind, at, key, ...more] = own.split("/");
    const isOwn =
      net === "net" &&
      (family === "ipv4" || family === "ipv6" || family === "mpls") &&
      (kind === "conf" || kind === "neigh") &&
      at === this.#ifName &&
      key !== undefined &&
      key !== ".." &&
      more.length === 0;
    if (!isOwn) this.alone ??= `sysctl ${quoted(name)} is not of its interface alone`;
  }

  #mac(value: unknown): void {
    const mac = textOf(value);
    if (mac !== "") this.macs.add(mac.toLowerCase().replaceAll("-", ":"));
  }

  /** @param value an address or CIDR */
  #block(value: unknown): Block {
    const text = textOf(value);
    const [address = "", length, ...more] = text.split("/");
    const version = isIP(address);
    const bits = version === 4 ? 32 : 128;
    const prefix = length === undefined ? bits : Number(length);
    if (version === 0 || more.length > 0 || !/^\d*$/.test(length ?? "") || length === "" || prefix > bits) {
      throw new Unreadable(`${quoted(text)} is no address or CIDR`);
    }
    if (this.blocks.length === mostBlocks)
      throw new Unreadable(`it has more than ${mostBlocks} addresses and routes`);
    const block = { address, prefix, family: version === 4 ? "ipv4" : "ipv6" } as const;
    this.blocks.push(block);
    this.blockList.addSubnet(address, prefix, block.family);
    return block;
  }
}

/** An object by its keys in lower case, as Go reads them in any case. */
type Lowered = ReadonlyMap<string, unknown>;

/** @throws {Unreadable} no object, or two keys of which only one counts */
function objectOf(value: unknown, what: string): Lowered {
  if (!isJsonObject(value)) throw new Unreadable(`${what} is no object`);
  return lowered(value);
}

function lowered(object: JsonObject): Lowered {
  const members = new Map<string, unknown>();
  for (const [key, value] of Object.entries(object)) {
    const lower = key.toLowerCase();
    if (members.has(lower)) throw new Unreadable(`key ${quoted(lower)} is there twice`);
    if (value !== null) members.set(lower, value);
  }
  return members;
}

const nothing: Lowered = new Map();

/** The object at a key; an empty one where there is none. */
function sub(object: Lowered, key: string): Lowered {
  const value = object.get(key);
  return value === undefined ? nothing : objectOf(value, key);
}

/** Anything but false: a plugin may read what is no boolean in its own way. */
function isTrue(value: unknown): boolean {
  return value !== undefined && value !== false;
}
