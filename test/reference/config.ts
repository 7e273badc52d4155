/**
 * Network configurations split, adjusted and merged in ordinary TypeScript: the twin of assembly/config, JSON.parse and
 * JSON.stringify around operations on objects.
 *
 * Bytes in, bytes out, like the kernels. The inputs that a configuration takes as they are (prevResult, validAttachments) stay
 * text here too: they are put into the output without being parsed, so the twin takes bytes for them that a kernel refuses.
 * Numbers that are parsed are rounded: 18446744073709551615 comes out as 18446744073709552000.
 */

import { arrayElements, everyMember } from "../../src/base/json.ts";
import {
  type AdjustInput,
  type ConfigParts,
  KernelError,
  type MergeInput,
  type PluginParts,
} from "../../src/kernels/index.ts";

type JsonObject = Record<string, unknown>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

function refuse(input: string, message: string): KernelError {
  return new KernelError("refused", `${input}: ${message}`, input, 0);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(input: string, bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw refuse(input, String(error));
  }
  if (!isObject(value)) throw refuse(input, "must be an object");
  return inOrder(bytes, 4) as JsonObject;
}

/** Members of objects that are not null, in the order of the text, also those that a later one of the same name hides. */
const written = new WeakMap<JsonObject, readonly (readonly [string, unknown])[]>();

/** The value of a checked text, whose members are in the order of their last appearances down to a depth. JSON.parse has them in that of the first. */
function inOrder(bytes: Uint8Array, depth: number): unknown {
  const text = decoder.decode(bytes);
  const [first] = text.trimStart();
  if (depth > 0 && first === "[") {
    return arrayElements(bytes, "it").map((element) => inOrder(element, depth - 1));
  }
  if (depth === 0 || first !== "{") return JSON.parse(text);
  const members = new Map<string, unknown>();
  const all: [string, unknown][] = [];
  for (const [name, raw] of everyMember(bytes, "it")) {
    const value = inOrder(raw, depth - 1);
    members.delete(name);
    members.set(name, value);
    if (value !== null) all.push([name, value]);
  }
  const object = Object.fromEntries(members);
  written.set(object, all);
  return object;
}

const lowerCase = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Is it the key in any case? */
const isKey = (key: string) => {
  const lower = lowerCase(key);
  return (other: string) => lowerCase(other) === lower;
};

/** The value of a key in any case: the last one, which is not null, of the key as it is written here; else the last one of the others. */
function memberOf(object: JsonObject, key: string): unknown {
  const isSame = isKey(key);
  const members = written.get(object) ?? Object.entries(object).filter(([, value]) => value !== null);
  return (members.findLast(([other]) => other === key) ?? members.findLast(([other]) => isSame(other)))?.[1];
}

/** An object without keys, in any case. */
function without(object: JsonObject, ...keys: string[]): JsonObject {
  const entries = Object.entries(object).filter(([other]) => !keys.some((key) => isKey(key)(other)));
  return Object.fromEntries(entries);
}

/** A string field; "" where it is missing or null. */
function textField(object: JsonObject, field: string): string {
  const value = memberOf(object, field) ?? "";
  if (typeof value !== "string") throw refuse("config", `${field} must be a string`);
  return value.toWellFormed();
}

/** An object field; empty where it is missing or null. */
function objectField(object: JsonObject, field: string): JsonObject {
  const value = memberOf(object, field) ?? {};
  if (!isObject(value)) throw refuse("config", `${field} must be an object`);
  return value;
}

function booleanField(object: JsonObject, field: string): boolean {
  const value = memberOf(object, field) ?? false;
  if (typeof value === "boolean") return value;
  const word = typeof value === "string" ? value.toLowerCase() : "";
  if (word !== "true" && word !== "false") throw refuse("config", `${field} must be true or false`);
  return word === "true";
}

function pluginsField(list: JsonObject): JsonObject[] {
  const plugins = memberOf(list, "plugins") ?? [];
  if (!Array.isArray(plugins)) throw refuse("config", "plugins must be an array");
  if (plugins.length > 1024) throw refuse("config", "more than 1024 plugins");
  return plugins.map((plugin: unknown) => {
    if (!isObject(plugin)) throw refuse("config", "plugins[] must be an object");
    return plugin;
  });
}

/** Names that `capabilities` says true to. */
function supportedCapabilities(plugin: JsonObject): string[] {
  return Object.entries(objectField(plugin, "capabilities")).flatMap(([name, supported]) => {
    if (supported !== null && typeof supported !== "boolean") {
      throw refuse("config", "capabilities must be true or false");
    }
    return supported === true ? [name.toWellFormed()] : [];
  });
}

/** A version as numbers; an empty one is 0.1.0. */
function versionNumbers(version: string): number[] {
  if (version === "") return [0, 1, 0];
  if (!/^\d{1,3}(\.\d{1,3}){0,2}$/.test(version)) throw refuse("config", "bad version");
  const [major = 0, minor = 0, micro = 0] = version.split(".").map(Number);
  return [major, minor, micro];
}

function compareVersions(left: string, right: string): number {
  const others = versionNumbers(right);
  const different = versionNumbers(left).map((number, index) => number - (others[index] ?? 0));
  return different.find((difference) => difference !== 0) ?? 0;
}

function listVersion(list: JsonObject): string {
  const single = textField(list, "cniVersion");
  const versions = memberOf(list, "cniVersions") ?? undefined;
  if (versions === undefined) return single;
  if (!Array.isArray(versions)) throw refuse("config", "cniVersions must be an array");
  const candidates = versions.map((version: unknown) => {
    if (typeof version !== "string") throw refuse("config", "cniVersions must be strings");
    return version;
  });
  if (single !== "") candidates.push(single);
  const known = candidates.filter((version) => compareVersions(version, "1.1.0") <= 0);
  return known.sort(compareVersions).at(-1) ?? single;
}

function pluginParts(plugin: JsonObject): PluginParts {
  return {
    type: textField(plugin, "type"),
    bytes: encoder.encode(JSON.stringify(plugin)),
    capabilities: supportedCapabilities(plugin),
    ipamType: textField(objectField(plugin, "ipam"), "type"),
  };
}

/** See Kernels.splitConfig; `bytes` of the plugins are written anew. */
export function splitConfig(bytes: Uint8Array): ConfigParts {
  const config = parseObject("config", bytes);
  const isList = textField(config, "type") === "";
  return {
    isList,
    name: textField(config, "name"),
    cniVersion: isList ? listVersion(config) : textField(config, "cniVersion"),
    disableCheck: isList && booleanField(config, "disableCheck"),
    disableGC: isList && booleanField(config, "disableGC"),
    loadOnlyInlinedPlugins: isList && booleanField(config, "loadOnlyInlinedPlugins"),
    plugins: isList ? pluginsField(config).map(pluginParts) : [pluginParts(config)],
  };
}

/** See Kernels.adjustConfig. */
export function adjustConfig(input: AdjustInput): Uint8Array {
  let config = parseObject("config", input.config);
  const cniArgs = input.cniArgs === undefined ? undefined : parseObject("cniArgs", input.cniArgs);
  const { defaultName = "", deviceId = "" } = input;
  const isList = textField(config, "type") === "";
  if (textField(config, "name") === "" && defaultName !== "") {
    const named = { ...without(config, "name"), name: defaultName };
    written.set(named, [...(written.get(config) ?? []), ["name", defaultName]]);
    config = named;
  }
  if (cniArgs === undefined && deviceId === "") return encoder.encode(JSON.stringify(config));
  const adjusted = (plugin: JsonObject): JsonObject => {
    const device = deviceId === "" ? {} : { deviceID: deviceId, pciBusID: deviceId };
    const changed = deviceId === "" ? plugin : { ...without(plugin, "deviceID", "pciBusID"), ...device };
    if (cniArgs === undefined) return changed;
    const args = objectField(plugin, "args");
    const cni = { ...objectField(args, "cni"), ...cniArgs };
    return { ...without(changed, "args"), args: { ...without(args, "cni"), cni } };
  };
  if (!isList) return encoder.encode(JSON.stringify(adjusted(config)));
  const list = memberOf(config, "plugins");
  if ((list ?? null) === null) throw refuse("config", "plugins is missing");
  const plugins = pluginsField(config).map(adjusted);
  const entries = Object.entries(config).map(([key, value]) => [key, value === list ? plugins : value]);
  return encoder.encode(JSON.stringify(Object.fromEntries(entries)));
}

/** See Kernels.mergeConfig. */
export function mergeConfig(input: MergeInput): Uint8Array {
  const whole = parseObject("plugin", input.plugin);
  const plugin = without(whole, "capabilities");
  plugin.name = input.name;
  plugin.cniVersion = input.cniVersion;
  if (input.runtimeConfig !== undefined) {
    const given = parseObject("runtimeConfig", input.runtimeConfig);
    const supported = supportedCapabilities(whole).filter((name) => Object.hasOwn(given, name));
    if (supported.length > 0) {
      plugin.runtimeConfig = Object.fromEntries(supported.map((name) => [name, given[name]]));
    }
  } else {
    objectField(whole, "capabilities");
  }
  const spliced: string[] = [];
  if (input.prevResult !== undefined) {
    delete plugin.prevResult;
    spliced.push(`"prevResult":${decoder.decode(input.prevResult)}`);
  }
  if (input.validAttachments !== undefined) {
    delete plugin["cni.dev/valid-attachments"];
    delete plugin["cni.dev/attachments"];
    const attachments = decoder.decode(input.validAttachments);
    spliced.push(`"cni.dev/valid-attachments":${attachments},"cni.dev/attachments":${attachments}`);
  }
  const text = JSON.stringify(plugin);
  return encoder.encode(spliced.length === 0 ? text : `${text.slice(0, -1)},${spliced.join(",")}}`);
}
