/**
 * The plan on disk: `<cniDir>/<containerId>`, in Go multus's form both ways, so that either can undo what the other did
 * (behaviour page, section 8).
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { removeFile, writeFileAtomically } from "../cni/atomic-file.ts";
import { directoryEntries } from "../cni/directory.ts";
import { CniError, CniErrorCode, ioFailure, isMissingFile } from "../cni/errors.ts";
import {
  arrayElements,
  isJsonObject,
  type JsonObject,
  joinElements,
  joinMembers,
  objectMembers,
} from "../cni/json.ts";
import { isContainerId } from "../cni/names.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import { gatewayFilter } from "./default-route.ts";
import { type AttachmentRequest, type Delegate, interfaceName, usualClusterIfName } from "./delegate.ts";
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
const decoder = new TextDecoder();

function isNonEmpty(value: unknown): boolean {
  if (Array.isArray(value)) {
    return value.length > 0;
  }
  return isJsonObject(value) ? Object.keys(value).length > 0 : typeof value === "string" && value !== "";
}

/** The keys that Go's types know of a plugin's configuration, as it writes them: without what is empty, `ipam` always. */
function pluginProjection(plugin: JsonObject): JsonObject {
  const projection: Record<string, unknown> = {};
  for (const key of ["cniVersion", "name", "type", "capabilities", "dns", "prevResult"]) {
    if (isNonEmpty(plugin[key])) {
      projection[key] = plugin[key];
    }
  }
  const ipam = plugin.ipam;
  projection.ipam = isJsonObject(ipam) && isNonEmpty(ipam.type) ? { type: ipam.type } : {};
  return projection;
}

/** The same of a list. */
function listProjection(list: JsonObject): JsonObject {
  const projection: Record<string, unknown> = {};
  for (const key of ["cniVersion", "name"]) {
    if (isNonEmpty(list[key])) {
      projection[key] = list[key];
    }
  }
  for (const key of ["disableCheck", "disableGC"]) {
    if (list[key] === true) {
      projection[key] = true;
    }
  }
  const plugins = list.plugins;
  projection.plugins = Array.isArray(plugins) ? plugins.filter(isJsonObject).map(pluginProjection) : [];
  return projection;
}

/** The parts of an entry that depend on nothing but the network, so that they are made once for each. */
interface NetworkText {
  /** `"Conf":…,"ConfList":…` of a delegate loaded as a chain file, and of any other. */
  readonly chainFile: string;
  readonly other: string;
  /** `"Bytes":…` */
  readonly bytes: string;
}

const texts = new WeakMap<NetworkConfigList, NetworkText>();

function networkText(network: NetworkConfigList): NetworkText {
  const known = texts.get(network);
  if (known !== undefined) {
    return known;
  }
  const parsed: unknown = JSON.parse(decoder.decode(network.bytes));
  const config = isJsonObject(parsed) ? parsed : {};
  const conf = projectionText(network, pluginProjection(config));
  const list = network.isList ? projectionText(network, listProjection(config)) : "{}";
  const text = {
    chainFile: `"Conf":{"ipam":{}},"ConfList":${list}`,
    other: `"Conf":${conf},"ConfList":${list}`,
    bytes: `"Bytes":"${Buffer.from(network.bytes).toString("base64")}"`,
  };
  texts.set(network, text);
  return text;
}

/** @throws {CniError} 7: JSON.stringify has no stack for all the nesting that a configuration may have */
function projectionText(network: NetworkConfigList, projection: JsonObject): string {
  try {
    return JSON.stringify(projection);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CniError(
      CniErrorCode.invalidNetworkConfig,
      `network ${network.name}: its capabilities, dns or prevResult are nested too deeply`,
      "",
      { cause: error },
    );
  }
}

function member(key: string, value: string | readonly string[] | undefined): string {
  return value === undefined ? "" : `"${key}":${JSON.stringify(value)},`;
}

/** The plan as text. @param delegates in order @throws {CniError} 7 a configuration that does not go into it */
export function encodePlan(delegates: readonly Delegate[]): string {
  return `[${delegates.map((delegate) => encodeEntry(delegate, delegates)).join(",")}]`;
}

/** One entry as text. @param delegates all whose default routes it shares */
function encodeEntry(delegate: Delegate, delegates: readonly Delegate[]): string {
  const { request } = delegate;
  const text = networkText(delegate.network);
  const filter = gatewayFilter(delegate, delegates);
  return [
    `{${delegate.isChainFile ? text.chainFile : text.other},`,
    member("Name", delegate.name),
    member("ifnameRequest", request.ifName),
    member("macRequest", request.mac),
    member("infinibandGUIDRequest", request.infinibandGUID),
    member("ipRequest", request.ips),
    member("default-route", request.defaultRoute),
    `"IsFilterV4Gateway":${filter.ipv4},"IsFilterV6Gateway":${filter.ipv6},`,
    member("deviceID", request.deviceID),
    member("resourceName", delegate.resourceName),
    `${text.bytes}}`,
  ].join("");
}

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
  return isJsonObject(conf) && (isNonEmpty(conf.type) || isNonEmpty(conf.plugins))
    ? encoder.encode(JSON.stringify(conf))
    : undefined;
}

function decodeEntry(value: unknown): PlanEntry | undefined {
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

/** Where the plan of a container is. @param containerId checked */
export function planPath(cniDir: string, containerId: string): string {
  return join(cniDir, containerId);
}

/** Writes the plan; a reader never sees half of it. @throws {CniError} 5; 7 a configuration that does not go into it */
export function writePlan(cniDir: string, containerId: string, delegates: readonly Delegate[]): void {
  writeFileAtomically(
    planPath(cniDir, containerId),
    encoder.encode(encodePlan(delegates)),
    temporaryPath(cniDir, containerId),
  );
}

/** The plan of a container; undefined if there is none. A file that cannot be read is a plan with a problem. Never throws. */
export function readPlan(cniDir: string, containerId: string): PlanFile | undefined {
  try {
    return decodePlan(readFileSync(planPath(cniDir, containerId), "utf8"));
  } catch (error) {
    return isMissingFile(error) ? undefined : { entries: [], problem: String(error) };
  }
}

/**
 * Adds a network to the plan of a container, as its last. What the plan says of the others stays as it is written, whoever wrote it.
 * @param delegate with the interface that it is for: places in the plan say nothing about it
 * @returns false: there is no whole plan to add it to
 * @throws {CniError} 5; 7 a configuration that does not go into it
 */
export function addToPlan(cniDir: string, containerId: string, delegate: Delegate): boolean {
  const entries = rawEntries(cniDir, containerId);
  if (entries === undefined) return false;
  rewritePlan(cniDir, containerId, [...entries, encoder.encode(encodeEntry(delegate, [delegate]))]);
  return true;
}

/**
 * Takes one network out of the plan of a container. Those behind it keep their interfaces: the ones that had them by their place say so from now on. A plan that is not
 * whole stays as it is: the pod's DEL makes the most of it, and may ask this network's plugins once more.
 * @param position of the network, not the first's
 * @throws {CniError} 5
 */
export function removeFromPlan(cniDir: string, containerId: string, position: number): void {
  const entries = rawEntries(cniDir, containerId);
  if (entries === undefined) return;
  const kept = entries.flatMap((entry, place) => {
    if (place === position) return [];
    return place < position ? [entry] : [withInterface(entry, place)];
  });
  rewritePlan(cniDir, containerId, kept);
}

/** The entry with its interface written into it, where it is there by its place. */
function withInterface(entry: Uint8Array, place: number): Uint8Array {
  const members = objectMembers(entry, "entry of a plan");
  const decoded = decodeEntry(JSON.parse(decoder.decode(entry)));
  if (decoded === undefined || decoded.request.ifName !== undefined) return entry;
  const ifName = plannedInterface(decoded, place);
  return joinMembers(members.set("ifnameRequest", encoder.encode(JSON.stringify(ifName))));
}

/** The elements of a plan as they are written; undefined where there is no whole one. */
function rawEntries(cniDir: string, containerId: string): Uint8Array[] | undefined {
  const path = planPath(cniDir, containerId);
  if (readPlan(cniDir, containerId)?.problem !== "") return undefined;
  return arrayElements(readFileSync(path), path);
}

function rewritePlan(cniDir: string, containerId: string, entries: readonly Uint8Array[]): void {
  writeFileAtomically(
    planPath(cniDir, containerId),
    joinElements(entries),
    temporaryPath(cniDir, containerId),
  );
}

/** The interface of a plan's entry, where no request says what the cluster network's is. @param place of the entry */
export function plannedInterface({ request }: PlanEntry, place: number): string {
  return interfaceName({ request, isCluster: place === 0 }, place, usualClusterIfName);
}

/** The configuration's name; of an entry that has lost it, that of the NetworkAttachmentDefinition, which is the same but for rare cases. */
export function plannedNetwork({ name, configurations }: PlanEntry): string {
  for (const configuration of configurations) {
    const written = writtenName(configuration);
    if (written !== "") return written;
  }
  return name.slice(name.lastIndexOf("/") + 1);
}

function writtenName(configuration: Uint8Array): string {
  try {
    const parsed: unknown = JSON.parse(decoder.decode(configuration));
    return isJsonObject(parsed) && typeof parsed.name === "string" ? parsed.name : "";
  } catch {
    return "";
  }
}

/**
 * Ids of the containers that have a plan, whole or not, in no order; those whose plan comes or goes meanwhile may be among them or not. Gives way to other work.
 * Never throws: a directory that cannot be read has none.
 */
export async function* plannedContainers(cniDir: string): AsyncGenerator<string> {
  const entries = directoryEntries(cniDir);
  try {
    for await (const entry of entries) if (entry.isFile() && isContainerId(entry.name)) yield entry.name;
  } catch {
    // As documented.
  }
}

/** Where a plan is written before it gets its name. A container id starts with a letter or digit, so this name is no container's. */
function temporaryPath(cniDir: string, containerId: string): string {
  return join(cniDir, `.${containerId}`);
}

/** Removes a plan, and what a daemon that was killed while writing it left; one that is not there is no error. @throws {CniError} 5 */
export function removePlan(cniDir: string, containerId: string): void {
  const path = planPath(cniDir, containerId);
  try {
    removeFile(path);
    removeFile(temporaryPath(cniDir, containerId));
  } catch (error) {
    throw ioFailure("remove", path, error);
  }
}
