/** Configurations of the plugins bridge, macvlan and ptp, and of tuning behind them, as the orders of the shim have them: everything about a network that does not depend on the attachment. Read once for each network. */

import { isUtf8 } from "node:buffer";
import {
  type LinkAddress,
  type LinkRoute,
  type LinkSetting,
  mostRoutes,
  type NativeLink,
} from "../agent/executor.ts";
import { ifNameProblem } from "../cni/names.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import { compareVersions } from "../cni/versions.ts";
import type { PluginParts } from "../kernels/index.ts";
import { quoted } from "../log/quoted.ts";
import { isSameAddress, networkAddress, parseAddress, parseCidr } from "./address.ts";
import { knownCapabilities } from "./attachment-arguments.ts";
import { type ElementReader, ExactObject, LeftToPlugin, readText } from "./exact-object.ts";
import { type HostLocal, hostLocalKeys, readHostLocal } from "./host-local.ts";
import { readStatic, staticKeys } from "./static.ts";
import { readTuning, type Tuning, tuningKeys } from "./tuning.ts";

/** As the spec has it; undefined: the configuration does not have that key. */
export interface Dns {
  readonly nameservers: readonly string[] | undefined;
  readonly domain: string | undefined;
  readonly search: readonly string[] | undefined;
  readonly options: readonly string[] | undefined;
}

/** The IPAM plugin of a configuration, and its part of an attachment. */
export type AddressManagement =
  | { readonly type: "" }
  | { readonly type: "host-local"; readonly hostLocal: HostLocal; readonly routes: readonly LinkRoute[] }
  | {
      readonly type: "static";
      readonly addresses: readonly LinkAddress[];
      readonly routes: readonly LinkRoute[];
      readonly dns: Dns;
    };

/** The members of a link that are the same for every attachment of a network. */
export type LinkOptions = Omit<
  NativeLink,
  "ifName" | "mac" | "directory" | "sets" | "addresses" | "routes" | "tuning" | "backups"
>;

/** A network that can be attached natively, as far as its configuration goes. */
export interface NativeConfiguration {
  readonly options: LinkOptions;
  /** `isDefaultGateway` of bridge. */
  readonly isDefaultGateway: boolean;
  readonly ipam: AddressManagement;
  readonly dns: Dns;
  /** Those of knownCapabilities that are true. */
  readonly capabilities: readonly string[];
  /** `mac` of macvlan, args.cni.mac of bridge; "": none. CNI_ARGS come after the first, and before the second. */
  readonly mac: string;
  /** args.cni.ips. */
  readonly cniIps: readonly string[];
  /** undefined: the network has one plugin. */
  readonly tuning: Tuning | undefined;
}

/** Bytes of a configuration: one with as many routes as an order has room for is shorter. This many take some milliseconds to read. */
const longestConfiguration = 32 * 1024;
const oldestVersion = "0.3.0";

/** Keys that libcni's type of a configuration has; `name` and `cniVersion` are those of the network. */
export const commonKeys = ["cniVersion", "name", "type", "capabilities", "ipam", "dns", "args"] as const;

const largestUnsigned = 4_294_967_295;

/** MACVLAN_MODE_* of the kernel. */
const macvlanModes: ReadonlyMap<string, number> = new Map([
  ["", 4],
  ["bridge", 4],
  ["private", 1],
  ["vepa", 2],
  ["passthru", 8],
]);

type Kind = Pick<NativeConfiguration, "options" | "isDefaultGateway" | "mac">;

interface KindOfPlugin {
  /** Beside commonKeys. */
  readonly keys: readonly string[];
  /** Keys of args.cni. */
  readonly argsKeys: readonly string[];
  /** @param hasAddresses the configuration has an IPAM plugin */
  read(object: ExactObject, args: ExactObject | undefined, hasAddresses: boolean): Kind;
}

/** By the type of the plugin. */
export const kinds: Readonly<Record<string, KindOfPlugin>> = {
  bridge: {
    keys: [
      "bridge",
      "isGateway",
      "isDefaultGateway",
      "forceAddress",
      "ipMasq",
      "ipMasqBackend",
      "mtu",
      "hairpinMode",
      "promiscMode",
      "vlan",
      "preserveDefaultVlan",
      "macspoofchk",
      "enabledad",
      "disableContainerInterface",
      "portIsolation",
    ],
    argsKeys: ["mac", "ips"],
    read: readBridge,
  },
  macvlan: {
    keys: ["master", "mode", "mtu", "mac", "linkInContainer", "bcqueuelen"],
    argsKeys: ["ips"],
    read: readMacvlan,
  },
  ptp: { keys: ["ipMasq", "ipMasqBackend", "mtu"], argsKeys: ["ips"], read: readPtp },
};

/** @throws {LeftToPlugin} a configuration that is not native */
export function readConfiguration(list: NetworkConfigList): NativeConfiguration {
  const { cniVersion } = list;
  const [plugin, second, third] = list.plugins;
  if (plugin === undefined || third !== undefined) {
    throw new LeftToPlugin(`a chain of ${list.plugins.length} plugins`);
  }
  if (second !== undefined && second.type !== "tuning") {
    throw new LeftToPlugin(`a chain with type ${quoted(second.type)}, and only tuning may come second`);
  }
  const kind = Object.hasOwn(kinds, plugin.type) ? kinds[plugin.type] : undefined;
  if (kind === undefined) {
    throw new LeftToPlugin(`type ${quoted(plugin.type)} is not one of ${Object.keys(kinds).join(", ")}`);
  }
  if (compareVersions(cniVersion, oldestVersion) < 0) {
    throw new LeftToPlugin(`cniVersion ${cniVersion} is below ${oldestVersion}`);
  }
  return {
    ...readPlugin(plugin, kind, list.name),
    tuning: second === undefined ? undefined : readSecond(second),
  };
}

/** @param keys beside those of every plugin */
function objectOf({ bytes }: PluginParts, keys: readonly string[]): ExactObject {
  if (bytes.length > longestConfiguration) {
    throw new LeftToPlugin(`the configuration has more than ${longestConfiguration} bytes`);
  }
  if (!isUtf8(bytes)) throw new LeftToPlugin("the configuration is not UTF-8");
  const object = new ExactObject(bytes, "", [...commonKeys, ...keys]);
  for (const key of ["cniVersion", "name", "type"]) object.text(key);
  return object;
}

function readSecond(plugin: PluginParts): Tuning {
  const object = objectOf(plugin, tuningKeys);
  // Both are read by the first plugin of a chain, and of no use here.
  if (object.has("ipam")) throw new LeftToPlugin('tuning has key "ipam"');
  readDns(object);
  return { ...readTuning(object), capabilities: readCapabilities(object) };
}

function readPlugin(
  plugin: PluginParts,
  kind: KindOfPlugin,
  network: string,
): Omit<NativeConfiguration, "tuning"> {
  const object = objectOf(plugin, kind.keys);
  const args = object.object("args", ["cni"])?.object("cni", kind.argsKeys);
  const ipam = readIpam(object, plugin.ipamType, network);
  return {
    ...kind.read(object, args, ipam.type !== ""),
    ipam,
    dns: readDns(object),
    capabilities: readCapabilities(object),
    cniIps: args?.list("ips", readText) ?? [],
  };
}

function readBridge(object: ExactObject, args: ExactObject | undefined, hasAddresses: boolean): Kind {
  object.refuseFlags(["ipMasq", "forceAddress", "macspoofchk", "disableContainerInterface"]);
  object.text("ipMasqBackend");
  object.flag("preserveDefaultVlan");
  object.count("vlan", 0);
  const hairpin = object.flag("hairpinMode");
  const promiscuous = object.flag("promiscMode");
  if (hairpin && promiscuous) throw new LeftToPlugin("hairpinMode and promiscMode are both true");
  const isDefaultGateway = object.flag("isDefaultGateway");
  const isGateway = object.flag("isGateway") || isDefaultGateway;
  return {
    options: {
      kind: "bridge",
      parent: interfaceName(object, "bridge", "cni0"),
      mtu: object.mtu("mtu"),
      mode: 0,
      queueLength: 0,
      hairpin,
      isolated: object.flag("portIsolation"),
      promiscuous,
      settings: hasAddresses ? bridgeSettings(object.flag("enabledad")) : [],
      // The plugin makes a gateway of the bridge where it has addresses to give.
      isGateway: isGateway && hasAddresses,
    },
    isDefaultGateway: isDefaultGateway && hasAddresses,
    mac: args?.text("mac") ?? "",
  };
}

const setting = (family: 4 | 6, name: string, value: string): LinkSetting => ({
  table: `ipv${family}/conf`,
  name,
  value,
  isTuning: false,
});

/** Of any link with an IPv6 address. */
export const ipv6Settings = [setting(6, "disable_ipv6", "0"), setting(6, "keep_addr_on_down", "1")];

const macvlanSettings = [setting(6, "ndisc_notify", "1"), setting(4, "arp_notify", "1")];

/** @param detects whether addresses of others are to be detected */
function bridgeSettings(detects: boolean): readonly LinkSetting[] {
  const rest = [setting(6, "accept_dad", detects ? "1" : "0"), setting(4, "arp_notify", "1")];
  return detects ? [setting(6, "enhanced_dad", "1"), ...rest] : rest;
}

/** The properties of a link that is no port of a bridge. */
const noPort = {
  hairpin: false,
  isolated: false,
  promiscuous: false,
  isGateway: false,
};

function readPtp(object: ExactObject, _args: ExactObject | undefined, hasAddresses: boolean): Kind {
  object.refuseFlags(["ipMasq"]);
  object.text("ipMasqBackend");
  if (!hasAddresses) throw new LeftToPlugin("ptp without an IPAM plugin");
  return {
    options: { kind: "ptp", mtu: object.mtu("mtu"), mode: 0, queueLength: 0, ...noPort, settings: [] },
    isDefaultGateway: false,
    mac: "",
  };
}

function readMacvlan(object: ExactObject, _args: ExactObject | undefined, hasAddresses: boolean): Kind {
  object.refuseFlags(["linkInContainer"]);
  const written = object.text("mode") ?? "";
  const mode = macvlanModes.get(written);
  if (mode === undefined) throw new LeftToPlugin(`key "mode" cannot be ${quoted(written)}`);
  return {
    options: {
      kind: "macvlan",
      parent: interfaceName(object, "master", ""),
      mtu: object.mtu("mtu"),
      mode,
      queueLength: object.count("bcqueuelen", largestUnsigned),
      ...noPort,
      settings: hasAddresses ? macvlanSettings : [],
    },
    isDefaultGateway: false,
    mac: object.text("mac") ?? "",
  };
}

function interfaceName(object: ExactObject, key: string, usual: string): string {
  const name = object.text(key) ?? usual;
  const problem = ifNameProblem(name);
  if (problem !== undefined) throw new LeftToPlugin(`key ${quoted(key)}: ${quoted(name)} ${problem}`);
  return name;
}

/** @param type the kernel's reading, which is Go's */
function readIpam(object: ExactObject, type: string, network: string): AddressManagement {
  const noIpam = { type: "" } as const;
  if (!object.has("ipam")) return noIpam;
  switch (type) {
    case "": {
      object.object("ipam", ["type"])?.text("type");
      return noIpam;
    }
    case "host-local": {
      const ipam = ipamObject(object, hostLocalKeys);
      return { type, hostLocal: readHostLocal(ipam, network), routes: readRoutes(ipam) };
    }
    case "static": {
      const ipam = ipamObject(object, staticKeys);
      return { type, addresses: readStatic(ipam), routes: readRoutes(ipam), dns: readDns(ipam) };
    }
    default:
      throw new LeftToPlugin(`key "ipam.type": ${quoted(type)} is not one of host-local, static`);
  }
}

function ipamObject(object: ExactObject, keys: readonly string[]): ExactObject {
  const ipam = object.object("ipam", keys);
  if (ipam?.text("type") === undefined) throw new LeftToPlugin('key "ipam.type" is missing');
  return ipam;
}

function readRoutes(ipam: ExactObject): readonly LinkRoute[] {
  const routes = ipam.list("routes", readRoute) ?? [];
  if (routes.length < mostRoutes) return routes;
  throw new LeftToPlugin(
    `key "ipam.routes" has ${routes.length} elements, and fewer than ${mostRoutes} are expected`,
  );
}

const readRoute: ElementReader<LinkRoute> = (json, where) => {
  const object = new ExactObject(json, where, ["dst", "gw", "priority"]);
  const refused = (key: string) =>
    new LeftToPlugin(`key ${quoted(object.place(key))} cannot be ${quoted(object.text(key) ?? "")}`);
  const destination = parseCidr(object.text("dst") ?? "");
  if (destination === undefined || !isSameAddress(networkAddress(destination), destination.address)) {
    throw refused("dst");
  }
  const written = object.text("gw");
  const gateway = written === undefined ? undefined : parseAddress(written);
  if (written !== undefined && gateway?.length !== destination.address.length) throw refused("gw");
  return {
    destination: destination.address,
    prefix: destination.prefix,
    gateway,
    metric: object.count("priority", largestUnsigned) || undefined,
  };
};

function readDns(object: ExactObject): Dns {
  const dns = object.object("dns", ["nameservers", "domain", "search", "options"]);
  return {
    nameservers: dns?.list("nameservers", readText),
    domain: dns?.text("domain"),
    search: dns?.list("search", readText),
    options: dns?.list("options", readText),
  };
}

function readCapabilities(object: ExactObject): readonly string[] {
  const capabilities = object.object("capabilities", knownCapabilities);
  return capabilities === undefined ? [] : knownCapabilities.filter((name) => capabilities.flag(name));
}
