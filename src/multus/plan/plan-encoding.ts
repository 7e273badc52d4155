/** The plan as text, in Go multus's form (docs/behaviour.md, "DEL"). */

import { arrayElements, fieldMembers, isJsonObject, type JsonObject, memberValue } from "../../base/json.ts";
import { openBrace, openBracket } from "../../base/json-bytes.ts";
import { keySpelling } from "../../base/key-spelling.ts";
import { CniError, CniErrorCode, configError } from "../../cni/errors.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import { longestPlan } from "../input/bounds.ts";
import { type AskedRoutes, askedRoutes, gatewayFilter } from "./default-route.ts";
import type { Delegate } from "./delegate.ts";

/** Is it a list, an object or a text with something in it? Go leaves out empty ones. */
export function isNonEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isJsonObject(value) ? Object.keys(value).length > 0 : typeof value === "string" && value !== "";
}

const pluginKeys = ["cniVersion", "name", "type", "capabilities", "dns", "prevResult"];
const pluginSpelling = keySpelling([...pluginKeys, "ipam"]);
const ipamSpelling = keySpelling(["type"]);

/**
 * The keys that Go's types know of a plugin's configuration, as it writes them: without what is empty, `ipam` always. Only these become values: a configuration of 1 MiB would take 20 times
 * as much memory as a whole.
 */
function pluginProjection(plugin: Uint8Array): JsonObject {
  const members = pluginSpelling.members(fieldMembers(plugin, "plugin", pluginSpelling.isKnown));
  const projection = nonEmptyValues(members, pluginKeys);
  const ipam = members.get("ipam");
  const type = ipam !== undefined && isObjectText(ipam) ? ipamType(ipam) : undefined;
  projection.ipam = isNonEmpty(type) ? { type } : {};
  return projection;
}

function nonEmptyValues(
  members: ReadonlyMap<string, Uint8Array>,
  keys: readonly string[],
): Record<string, unknown> {
  const values = keys.map((key) => [key, memberValue(members, key)] as const);
  return Object.fromEntries(values.filter(([, value]) => isNonEmpty(value)));
}

function ipamType(ipam: Uint8Array): unknown {
  return memberValue(ipamSpelling.members(fieldMembers(ipam, "ipam", ipamSpelling.isKnown)), "type");
}

const listSpelling = keySpelling(["cniVersion", "name", "disableCheck", "disableGC", "plugins"]);

function listProjection(list: Uint8Array): JsonObject {
  const members = listSpelling.members(fieldMembers(list, "list", listSpelling.isKnown));
  const projection = nonEmptyValues(members, ["cniVersion", "name"]);
  for (const key of ["disableCheck", "disableGC"]) {
    if (memberValue(members, key) === true) projection[key] = true;
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
  if (known !== undefined) return known;
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
export function encodeEntry(delegate: Delegate, asked: AskedRoutes): string {
  const text = networkText(delegate.network);
  const { ipv4, ipv6 } = gatewayFilter(delegate, asked);
  const marks = `"IsFilterV4Gateway":${ipv4},"IsFilterV6Gateway":${ipv6},`;
  return `{${delegate.isChainFile ? text.chainFile : text.other},${requestText(delegate, marks)}${text.bytes}}`;
}

/** An entry's members beside its network. @param marks of the gateways, in Go's place among the keys */
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
  return configError(`network ${name}: the pod's plan has ${has} with it, and at most ${most} are allowed`);
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
