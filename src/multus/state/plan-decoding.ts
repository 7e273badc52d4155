/** A plan's text as it was found: Go multus's of any release, ours, whole or torn (docs/behaviour.md, "DEL"). */

import { decodeBase64 } from "../../base/base64.ts";
import {
  isJsonObject,
  type JsonObject,
  joinElements,
  joinMembers,
  objectMembers,
  wholeElements,
} from "../../base/json.ts";
import { mostEntriesRead } from "../input/bounds.ts";
import type { AttachmentRequest } from "../input/selection.ts";
import { isNonEmpty } from "../plan/plan-encoding.ts";

/** A configuration of a network as an entry has it. */
export interface PlannedConfiguration {
  /**
   * `whole`: the one that the delegate was run with, byte for byte. `as-read`: without the plugins of its list's subdirectory. `projection`: only the keys that Go's types
   * know, with an `ipam` for each plugin; those that a plugin alone knows are lost.
   */
  readonly kind: "whole" | "as-read" | "projection";
  /** JSON text, not checked. */
  readonly text: Uint8Array;
}

export interface PlanEntry {
  /** `namespace/nad`, or the configuration's name; "" if the entry has none. */
  readonly name: string;
  readonly request: AttachmentRequest;
  readonly resourceName: string | undefined;
  /** Those that the entry holds, the one to be preferred first. */
  readonly configurations: readonly PlannedConfiguration[];
}

export interface PlanFile {
  readonly entries: readonly PlanEntry[];
  /** The problem of the file; "" for none. */
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

/** undefined for what is empty or damaged. */
function bytesOf(value: unknown): Uint8Array | undefined {
  return typeof value === "string" && value !== "" ? decodeBase64(value) : undefined;
}

/**
 * Release 4.3.0 made `Bytes` of a chain file from what its types know, so that it is a projection too, and wrote libcni's list beside it: the list as it was read, and each plugin with
 * those of the subdirectory. Of other networks that list is empty.
 * @returns undefined where the entry is not one of a chain file by that release
 */
function configurationsOf430(entry: JsonObject): PlannedConfiguration[] | undefined {
  const list = entry.CNINetworkConfigList;
  if (!isJsonObject(list) || !["Name", "Plugins", "Bytes"].some((key) => isNonEmpty(list[key]))) {
    return undefined;
  }
  const read = bytesOf(list.Bytes);
  return [
    ...configuration("whole", read && withPlugins(read, list.Plugins)),
    ...configuration("as-read", read),
    ...configuration("projection", bytesOf(entry.Bytes)),
  ];
}

/** libcni's list with libcni's plugins; undefined where one of them is damaged. */
function withPlugins(list: Uint8Array, plugins: unknown): Uint8Array | undefined {
  if (!Array.isArray(plugins)) return undefined;
  const bytes = plugins.map((plugin) => (isJsonObject(plugin) ? bytesOf(plugin.Bytes) : undefined));
  const whole = bytes.filter((plugin) => plugin !== undefined);
  if (whole.length === 0 || whole.length !== bytes.length) return undefined;
  try {
    const members = objectMembers(list, "CNINetworkConfigList");
    return joinMembers(members.set("plugins", joinElements(whole)));
  } catch {
    return undefined;
  }
}

function configuration(
  kind: PlannedConfiguration["kind"],
  text: Uint8Array | undefined,
): PlannedConfiguration[] {
  return text === undefined ? [] : [{ kind, text }];
}

/** The configuration as far as Go's types kept it: the last resort where the bytes themselves are unusable. */
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
  if (!isJsonObject(value)) return undefined;
  const configurations = [
    ...(configurationsOf430(value) ?? configuration("whole", bytesOf(value.Bytes))),
    ...configuration("projection", projectedConfiguration(value)),
  ];
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
export function decodePlan(content: Uint8Array): PlanFile {
  const { elements, isWhole } = wholeElements(content);
  const entries: PlanEntry[] = [];
  let problem = "";
  for (const element of elements) {
    if (entries.length === mostEntriesRead) {
      return { entries, problem: `more than ${mostEntriesRead} entries` };
    }
    const entry = decodeEntry(element);
    // Places count (net<i>), so nothing after an entry that makes no sense can be used.
    if (entry === undefined) return { entries, problem: `entry ${entries.length} is not an object` };
    if (entry.configurations.length === 0) problem = `entry ${entries.length} has no configuration`;
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
