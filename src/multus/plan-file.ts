/**
 * The plan on disk: `<cniDir>/<containerId>`, in Go multus's form both ways, so that either can undo what the other did
 * (behaviour page, section 8).
 */

import { statSync } from "node:fs";
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
  memberValue,
  objectMembers,
} from "../cni/json.ts";
import { openBrace, openBracket } from "../cni/json-bytes.ts";
import { isContainerId } from "../cni/names.ts";
import { readFileStart } from "../cni/regular-file.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import { longestPlan, longestPlanRead, mostEntriesRead } from "./bounds.ts";
import { type AskedRoutes, askedRoutes, gatewayFilter } from "./default-route.ts";
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

const pluginKeys = ["cniVersion", "name", "type", "capabilities", "dns", "prevResult"];

/**
 * The keys that Go's types know of a plugin's configuration, as it writes them: without what is empty, `ipam` always. Only these become values: a configuration of 1 MiB would take 20 times
 * as much memory as a whole.
 */
function pluginProjection(plugin: Uint8Array): JsonObject {
  const members = objectMembers(plugin, "plugin", (key) => key === "ipam" || pluginKeys.includes(key));
  const projection: Record<string, unknown> = {};
  for (const key of pluginKeys) {
    const value = memberValue(members, key);
    if (isNonEmpty(value)) {
      projection[key] = value;
    }
  }
  const ipam = members.get("ipam");
  const type = ipam !== undefined && isObjectText(ipam) ? ipamType(ipam) : undefined;
  projection.ipam = isNonEmpty(type) ? { type } : {};
  return projection;
}

function ipamType(ipam: Uint8Array): unknown {
  return memberValue(
    objectMembers(ipam, "ipam", (key) => key === "type"),
    "type",
  );
}

const listKeys = ["cniVersion", "name", "disableCheck", "disableGC", "plugins"];

/** The same of a list. */
function listProjection(list: Uint8Array): JsonObject {
  const members = objectMembers(list, "list", (key) => listKeys.includes(key));
  const projection: Record<string, unknown> = {};
  for (const key of ["cniVersion", "name"]) {
    const value = memberValue(members, key);
    if (isNonEmpty(value)) {
      projection[key] = value;
    }
  }
  for (const key of ["disableCheck", "disableGC"]) {
    if (memberValue(members, key) === true) {
      projection[key] = true;
    }
  }
  const plugins = members.get("plugins");
  const elements = plugins?.[0] === openBracket ? arrayElements(plugins, "plugins") : [];
  projection.plugins = elements.filter(isObjectText).map(pluginProjection);
  return projection;
}

function isObjectText(json: Uint8Array): boolean {
  return json[0] === openBrace;
}

/** The parts of an entry that depend on nothing but the network, so that they are made once for each. */
interface NetworkText {
  /** `"Conf":…,"ConfList":…` of a delegate loaded as a chain file, and of any other. */
  readonly chainFile: string;
  readonly other: string;
  /** `"Bytes":…` */
  readonly bytes: string;
  /** Of the longer form and of the configuration, in UTF-8. */
  readonly length: number;
}

const texts = new WeakMap<NetworkConfigList, NetworkText>();

function networkText(network: NetworkConfigList): NetworkText {
  const known = texts.get(network);
  if (known !== undefined) {
    return known;
  }
  const conf = projectionText(network, pluginProjection(network.bytes));
  const list = network.isList ? projectionText(network, listProjection(network.bytes)) : "{}";
  const other = `"Conf":${conf},"ConfList":${list}`;
  const bytes = `"Bytes":"${Buffer.from(network.bytes).toString("base64")}"`;
  const length = Buffer.byteLength(other) + bytes.length;
  const text = { chainFile: `"Conf":{"ipam":{}},"ConfList":${list}`, other, bytes, length };
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
  const asked = askedRoutes(delegates);
  return `[${delegates.map((delegate) => encodeEntry(delegate, asked)).join(",")}]`;
}

/** One entry as text. @param asked over all delegates whose default routes it shares */
function encodeEntry(delegate: Delegate, asked: AskedRoutes): string {
  const text = networkText(delegate.network);
  const { ipv4, ipv6 } = gatewayFilter(delegate, asked);
  const marks = `"IsFilterV4Gateway":${ipv4},"IsFilterV6Gateway":${ipv6},`;
  return `{${delegate.isChainFile ? text.chainFile : text.other},${requestText(delegate, marks)}${text.bytes}}`;
}

/** What an entry says beside its network. @param marks of the gateways, in Go's place among the keys */
function requestText({ name, request, resourceName }: Delegate, marks: string): string {
  return [
    member("Name", name),
    member("ifnameRequest", request.ifName),
    member("macRequest", request.mac),
    member("infinibandGUIDRequest", request.infinibandGUID),
    member("ipRequest", request.ips),
    member("default-route", request.defaultRoute),
    marks,
    member("deviceID", request.deviceID),
    member("resourceName", resourceName),
  ].join("");
}

/** Braces, the marks of the gateways and commas, at most. */
const entryFrame = 80;

/** The error for a plan that becomes too large. @param name of the network that it does with @param has how much it has then */
export function planTooLarge(name: string, has: string, most: number): CniError {
  return new CniError(
    CniErrorCode.invalidNetworkConfig,
    `network ${name}: the pod's plan has ${has} with it, and at most ${most} are allowed`,
  );
}

/**
 * How many bytes an entry takes, within a few of it. The first look is at the configuration alone: of one that is too long for any plan no text is made.
 * @throws {CniError} 7 a configuration that does not go into a plan
 */
export function entryLength(delegate: Delegate): number {
  const { bytes } = delegate.network;
  const written = Math.ceil((bytes.length * 4) / 3);
  const ofNetwork = written > longestPlan ? written : networkText(delegate.network).length;
  return ofNetwork + Buffer.byteLength(requestText(delegate, "")) + entryFrame;
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
  if (!isJsonObject(conf) || !(isNonEmpty(conf.type) || isNonEmpty(conf.plugins))) return undefined;
  try {
    return encoder.encode(JSON.stringify(conf));
  } catch (error) {
    // Nested too deeply to be written: `Bytes` of the same entry may be whole.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
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

/** Bytes of a container's plan on disk; 0 where there is none, or it cannot be looked at. */
export function planLength(cniDir: string, containerId: string): number {
  try {
    return statSync(planPath(cniDir, containerId), { throwIfNoEntry: false })?.size ?? 0;
  } catch {
    return 0;
  }
}

/** The plan of a container; undefined if there is none. A file that cannot be read is a plan with a problem. Never throws. */
export function readPlan(cniDir: string, containerId: string): PlanFile | undefined {
  try {
    const { bytes, size } = readFileStart(planPath(cniDir, containerId), longestPlanRead);
    const plan = decodePlan(bytes.toString("utf8"));
    return size <= longestPlanRead
      ? plan
      : { ...plan, problem: `longer than ${longestPlanRead} bytes; ${plan.problem}` };
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
  const length = entries.reduce((sum, entry) => sum + entry.length, entryLength(delegate));
  if (length > longestPlan) throw planTooLarge(delegate.name, `${length} bytes`, longestPlan);
  const added = encoder.encode(encodeEntry(delegate, askedRoutes([delegate])));
  rewritePlan(cniDir, containerId, [...entries, added]);
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
  if (readPlan(cniDir, containerId)?.problem !== "") return undefined;
  const path = planPath(cniDir, containerId);
  return arrayElements(readFileStart(path, longestPlanRead).bytes, path);
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
