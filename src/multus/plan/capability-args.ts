/** Capability arguments: the runtime's own (runtimeConfig of the netconf) with a selection's over them, key by key (docs/behaviour.md, "What a delegate is given"). */

import { arrayElements, joinElements, joinMembers, objectMembers } from "../../base/json.ts";
import { keySpelling } from "../../base/key-spelling.ts";
import { excessOfFileName } from "../../cni/names.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import { quoted } from "../../log/quoted.ts";
import type { AttachmentRequest } from "../input/selection.ts";
import { type AttachmentIdentity, deviceInfoFileName } from "./devices.ts";

/** Capability argument of an attachment with a device: the path of its device information file. */
export const deviceInfoKey = "CNIDeviceInfoFile";

/** Capabilities that every network gets, whether or not a plugin of it asks for them: the result cache keeps them all, as Go multus has it. */
export const commonCapabilities: ReadonlySet<string> = new Set([
  "portMappings",
  "bandwidth",
  "ips",
  "mac",
  "infinibandGUID",
  "deviceID",
  deviceInfoKey,
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The problem of the name of an attachment's device-info file, where it has one; undefined: none. @param runtimeConfig the netconf's */
export function deviceInfoProblem(
  runtimeConfig: ReadonlyMap<string, Uint8Array>,
  request: AttachmentRequest,
  identity: AttachmentIdentity,
): string | undefined {
  const excess = excessOfFileName(deviceInfoFileName(identity));
  const hasDevice = request.deviceID !== undefined || runtimeConfig.has("deviceID");
  return excess === 0 || !hasDevice
    ? undefined
    : `${quoted(identity.name)} is ${excess} characters too long for the name of its device's file (CNIDeviceInfoFile)`;
}

/** Bytes of a value that may be nothing: an empty list may have blanks in it, usually a few. */
const longestNothing = 1024;

/** A null, and an empty list or text, are no argument at all. */
function isNothing(value: Uint8Array): boolean {
  if (value.length > longestNothing) return false;
  const text = decoder.decode(value).trim();
  return text === "null" || text === '""' || /^\[\s*\]$/u.test(text);
}

const mayBeEmpty = keySpelling(["protocol", "hostIP"]);

/** Port mappings without their empty `protocol` and `hostIP`: plugins take an empty hostIP for one that cannot be parsed. */
function tidyPortMappings(value: Uint8Array): Uint8Array {
  const text = decoder.decode(value);
  if (!text.includes('""')) return value;
  const entries = arrayElements(value, "runtimeConfig.portMappings").map((entry) => {
    const members = objectMembers(entry, "runtimeConfig.portMappings");
    for (const [key, member] of members) {
      if (mayBeEmpty.isKnown(key) && isNothing(member)) members.delete(key);
    }
    return joinMembers(members);
  });
  return joinElements(entries);
}

/** A selection's values, by key. */
function requested(request: AttachmentRequest): ReadonlyMap<string, Uint8Array> {
  const { portMappings, bandwidth, ips, mac, infinibandGUID, deviceID } = request;
  const members = new Map<string, Uint8Array>();
  if (portMappings !== undefined) members.set("portMappings", tidyPortMappings(portMappings));
  if (bandwidth !== undefined) members.set("bandwidth", bandwidth);
  for (const [key, value] of Object.entries({ ips, mac, infinibandGUID, deviceID })) {
    if (value !== undefined) members.set(key, encoder.encode(JSON.stringify(value)));
  }
  return members;
}

/** The capabilities of all plugins: a configuration can have a hundred thousand, and a runtime may send as many arguments. */
function supportedBy({ plugins }: NetworkConfigList): ReadonlySet<string> {
  const supported = new Set<string>();
  for (const { capabilities } of plugins) for (const name of capabilities) supported.add(name);
  return supported;
}

/**
 * The capability arguments of one attachment.
 * @param runtimeConfig the netconf's, each value raw JSON
 * @param deviceInfoFile path of the attachment's device information file, which those with a device are told
 * @returns a JSON object as text; undefined if there are none
 */
export function capabilityArgs(
  runtimeConfig: ReadonlyMap<string, Uint8Array>,
  request: AttachmentRequest,
  network: NetworkConfigList,
  deviceInfoFile: string,
): Uint8Array | undefined {
  const members = new Map<string, Uint8Array>();
  let supported: ReadonlySet<string> | undefined;
  for (const [key, value] of runtimeConfig) {
    if (!commonCapabilities.has(key)) supported ??= supportedBy(network);
    const wanted = commonCapabilities.has(key) || supported?.has(key);
    if (wanted && !isNothing(value)) {
      members.set(key, key === "portMappings" ? tidyPortMappings(value) : value);
    }
  }
  for (const [key, value] of requested(request)) {
    // An empty list asks for none, whatever the runtime says.
    if (isNothing(value)) {
      members.delete(key);
    } else {
      members.set(key, value);
    }
  }
  if (members.has("deviceID")) {
    members.set(deviceInfoKey, encoder.encode(JSON.stringify(deviceInfoFile)));
  }
  return members.size === 0 ? undefined : joinMembers(members);
}
