/**
 * The subject of a plugin's failure, where its own message says less: "Link not found" names no link. The words are those of the plugin's configuration, with the keys that it
 * does not know and that look like others.
 */

import { InputError } from "../base/input-error.ts";
import { fieldMembers, isJsonObject, memberValue } from "../base/json.ts";
import { openBrace } from "../base/json-bytes.ts";
import { nearest } from "../base/similar.ts";
import type { PluginParts } from "../kernels/index.ts";
import { quoted } from "../log/quoted.ts";

/** Bytes of a configuration that is looked at: an ordinary one has some 500. */
const longestRead = 64 * 1024;
/** Characters of a value that are shown; misspelt keys that are named. */
const valueShown = 64;
const mostKeys = 3;

const commonKeys = "cniVersion name type capabilities ipam dns args prevResult runtimeConfig";
/** Keys of the plugins of containernetworking/plugins 1.9.1 that make interfaces, by their sources. */
const keysOfPlugin: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    bridge:
      "bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode promiscMode vlan vlanTrunk preserveDefaultVlan macspoofchk enabledad disableContainerInterface portIsolation mac",
    macvlan: "master mode mtu mac linkInContainer bcqueuelen",
    ipvlan: "master mode mtu linkInContainer",
    vlan: "master vlanId mtu linkInContainer",
    ptp: "ipMasq ipMasqBackend mtu",
    "host-device": "device hwaddr kernelpath pciBusID deviceID",
  }).map(([plugin, keys]) => [plugin, `${commonKeys} ${keys}`.split(" ")] as const),
);
/** The same for its IPAM plugins. */
const keysOfIpam: ReadonlyMap<string, readonly string[]> = new Map([
  ["host-local", "type dataDir resolvConf ranges routes subnet rangeStart rangeEnd gateway".split(" ")],
  ["static", "type addresses routes dns".split(" ")],
]);

/** Keys that name a link or a device of the node. */
const linkKeys = ["master", "bridge", "device", "deviceID", "pciBusID", "hwaddr"] as const;
/** Words of messages that are about one. */
const aboutLink =
  /link|device|interface|master|bridge|vlan|no such|not found|busy|exists|permitted|supported|range/iu;

/** A key that a plugin does not know, and the one that was most likely meant. */
export interface MisspeltKey {
  /** The plugin whose key it would be. */
  readonly plugin: string;
  /** Its place: `ipam.subent`. */
  readonly key: string;
  readonly meant: string;
}

/** Keys of a plugin's configuration that it does not know, and that look like one that is not there. None where the plugin is not known. @param config JSON text */
export function misspeltKeys(type: string, config: Uint8Array): readonly MisspeltKey[] {
  const members = membersOf(config);
  if (members === undefined) return [];
  const own = misspelt([...members.keys()], type, keysOfPlugin, "");
  const ipam = fieldValue(members, "ipam");
  if (!isJsonObject(ipam)) return own;
  return [...own, ...misspelt(Object.keys(ipam), String(ipam.type), keysOfIpam, "ipam.")];
}

function misspelt(
  keys: readonly string[],
  plugin: string,
  keysOf: ReadonlyMap<string, readonly string[]>,
  within: string,
): MisspeltKey[] {
  const known = keysOf.get(plugin);
  if (known === undefined) return [];
  const present = new Set(keys.map((key) => key.toLowerCase()));
  const isKnown = new Set(known.map((key) => key.toLowerCase()));
  const missing = known.filter((key) => !present.has(key.toLowerCase()));
  return keys.flatMap((key) => {
    const meant = isKnown.has(key.toLowerCase()) ? undefined : nearest(key, missing);
    return meant === undefined ? [] : [{ plugin, key: `${within}${key}`, meant: `${within}${meant}` }];
  });
}

/**
 * The addition to a plugin's message: ` (master "ens5f0")`. "" where the message names it, or nothing is known.
 * @param message the plugin's own
 */
export function subjectOfFailure({ type, bytes, ipamType }: PluginParts, message: string): string {
  const facts: string[] = [];
  const members = membersOf(bytes);
  if (members !== undefined && aboutLink.test(message)) {
    for (const key of linkKeys) {
      const value = fieldValue(members, key);
      if (typeof value === "string" && value !== "" && !message.includes(value)) {
        facts.push(`${key} ${quoted(value, valueShown)}`);
      }
    }
  }
  if (ipamType !== "" && missingIpam(message) === ipamType) {
    facts.push(`the IPAM plugin, ipam.type ${quoted(ipamType, valueShown)}, is not installed`);
  }
  for (const { plugin, key, meant } of misspeltKeys(type, bytes).slice(0, mostKeys)) {
    facts.push(`${quoted(key, valueShown)} is no key of ${plugin}: did you mean ${quoted(meant)}?`);
  }
  return facts.length === 0 ? "" : ` (${facts.join("; ")})`;
}

/** The plugin that another one could not find, by its message: the words of containernetworking/cni for a delegated plugin. */
export function missingIpam(message: string): string | undefined {
  return /failed to find plugin "([^"]{1,128})" in path \[/u.exec(message)?.[1];
}

/** undefined: it is too long to be looked at, or no object. */
function membersOf(config: Uint8Array): ReadonlyMap<string, Uint8Array> | undefined {
  if (config.length > longestRead) return undefined;
  try {
    return fieldMembers(config, "configuration");
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** The value of a key in any case, as Go reads it. */
function fieldValue(members: ReadonlyMap<string, Uint8Array>, wanted: string): unknown {
  const key = members.has(wanted)
    ? wanted
    : [...members.keys()].find((each) => each.toLowerCase() === wanted.toLowerCase());
  const first = key === undefined ? undefined : members.get(key)?.[0];
  if (key === undefined || (first === openBrace && wanted !== "ipam")) return undefined;
  return memberValue(members, key);
}
