/** A plan's text as it was found: Go multus's of any release, ours, whole or torn (behaviour page, section 8). */

import { isJsonObject, type JsonObject, joinElements, joinMembers, objectMembers } from "../cni/json.ts";
import { mostEntriesRead } from "./bounds.ts";
import type { AttachmentRequest } from "./delegate.ts";
import { isNonEmpty } from "./plan-encoding.ts";
import { readArrayPrefix } from "./torn-array.ts";

/** What a plan says of one delegate. */
export interface PlanEntry {
  /** `namespace/nad`, or the configuration's name; "" if the entry has none. */
  readonly name: string;
  readonly request: AttachmentRequest;
  readonly resourceName: string | undefined;
  /** Configurations of the network that the entry holds, JSON text, none of them checked; the one that the delegate was run with is the fullest. */
  readonly configurations: readonly Uint8Array[];
}

/** A plan as it was found. */
export interface PlanFile {
  readonly entries: readonly PlanEntry[];
  /** What is wrong with the file; "" if nothing is. */
  readonly problem: string;
}

const encoder = new TextEncoder();

function text(entry: JsonObject, key: string): string | undefined {
  const value = entry[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function textList(entry: JsonObject, key: string): readonly string[] | undefined {
  const value = entry[key];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : undefined;
}

function decodeBase64(value: unknown): Uint8Array | undefined {
  return typeof value === "string" && value !== "" ? Buffer.from(value, "base64") : undefined;
}

/** Release 4.3.0 wrote libcni's list beside `Bytes`: the list as read, and each plugin with those of the subdirectory. */
function configurationOf430(value: unknown): Uint8Array | undefined {
  if (!isJsonObject(value)) {
    return undefined;
  }
  const list = decodeBase64(value.Bytes);
  const plugins = value.Plugins;
  if (list === undefined || !Array.isArray(plugins)) {
    return list;
  }
  const bytes = plugins.map((plugin) => (isJsonObject(plugin) ? decodeBase64(plugin.Bytes) : undefined));
  const whole = bytes.filter((plugin) => plugin !== undefined);
  if (whole.length === 0 || whole.length !== bytes.length) {
    return list;
  }
  try {
    const members = objectMembers(list, "CNINetworkConfigList");
    return joinMembers(members.set("plugins", joinElements(whole)));
  } catch {
    return list;
  }
}

/** What Go's types kept of the configuration: the last resort where the bytes themselves are unusable. */
function projectedConfiguration(entry: JsonObject): Uint8Array | undefined {
  const list = entry.ConfList;
  const conf = isJsonObject(list) && isNonEmpty(list.plugins) ? list : entry.Conf;
  if (!isJsonObject(conf) || !(isNonEmpty(conf.type) || isNonEmpty(conf.plugins))) return undefined;
  try {
    return encoder.encode(JSON.stringify(conf));
  } catch (error) {
    // Nested too deeply to be written: `Bytes` of the same entry may be whole.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** One entry. @param value any JSON value @returns undefined where it makes no sense */
export function decodeEntry(value: unknown): PlanEntry | undefined {
  if (!isJsonObject(value)) {
    return undefined;
  }
  const configurations = [
    decodeBase64(value.Bytes),
    configurationOf430(value.CNINetworkConfigList),
    projectedConfiguration(value),
  ].filter((configuration) => configuration !== undefined);
  return {
    name: text(value, "Name") ?? "",
    request: {
      ifName: text(value, "ifnameRequest"),
      mac: text(value, "macRequest"),
      infinibandGUID: text(value, "infinibandGUIDRequest"),
      ips: textList(value, "ipRequest"),
      deviceID: text(value, "deviceID"),
      defaultRoute: textList(value, "default-route"),
    },
    resourceName: text(value, "resourceName"),
    configurations,
  };
}

/** Reads a plan as far as it makes sense. @param content of the file @returns what was found; never throws */
export function decodePlan(content: string): PlanFile {
  const { elements, isWhole } = readArrayPrefix(content);
  const entries: PlanEntry[] = [];
  let problem = "";
  for (const element of elements) {
    if (entries.length === mostEntriesRead) {
      return { entries, problem: `more than ${mostEntriesRead} entries` };
    }
    const entry = decodeEntry(element);
    // Places count (net<i>), so nothing after an entry that makes no sense can be used.
    if (entry === undefined) {
      return { entries, problem: `entry ${entries.length} is not an object` };
    }
    if (entry.configurations.length === 0) {
      problem = `entry ${entries.length} has no configuration`;
    }
    entries.push(entry);
  }
  if (isWhole && entries.length === 0) {
    // Nobody writes a plan of nothing.
    return { entries, problem: "no entries" };
  }
  return isWhole
    ? { entries, problem }
    : { entries, problem: `torn or not a list after ${entries.length} whole entries` };
}
