/**
 * Plugins that are never run for a network: Multus itself, and programs that are no plugins. Multus as a plugin of a network would take that network's configuration for
 * its own, and the author of the network would say which program the node runs (`daemonCommand`) and where it makes files; and it would wait for the request
 * that started it.
 */

import { CniError, CniErrorCode } from "../cni/errors.ts";
import {
  backslash,
  closeBrace,
  closeBracket,
  colon,
  openBrace,
  openBracket,
  quote,
  space,
} from "../cni/json-bytes.ts";
import { pluginTypeProblem } from "../cni/names.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import type { PluginParts } from "../kernels/index.ts";
import { bounded, quoted } from "../log/quoted.ts";

/** The plugin binary under the names that configurations call it by: Go multus's thin plugin has the first, its thick one the second. */
export const multusPluginNames: readonly string[] = ["multus", "multus-shim"];

/** Plugin, shim, daemons and tools of both implementations, and copies that installers and people make: `_multus`, `multus.old`. */
const multusName = /^_?multus(?:-cni|-shim|-daemon|d|ctl)?(?:[.~].*)?$/;

/** Keys whose object is the configuration of a further plugin, which the plugin runs itself. In lower case: Go takes keys in any. */
const furtherPlugins: readonly string[] = ["ipam", "delegate"];

/** Why a plugin is not run; undefined: it may be. For as long as its network is kept parsed. */
const known = new WeakMap<PluginParts, string | undefined>();

/** Is a plugin of this name Multus? */
function isMultus(type: string): boolean {
  return multusName.test(type);
}

/**
 * Why a plugin is not run: it is Multus, has no name of a plugin, or names such a plugin for its addresses (`ipam.type`) or to run it in turn (`delegate.type`, and a
 * `type` at any other depth).
 * @param ownType the name that the runtime's netconf gives Multus; "" where it is not known
 * @returns undefined: it may be run
 */
export function refusedPlugin(plugin: PluginParts, ownType = ""): string | undefined {
  if (ownType !== "" && plugin.type === ownType) return isMultusItself(plugin.type);
  if (!known.has(plugin)) known.set(plugin, problemOf(plugin));
  return known.get(plugin);
}

/** The first plugin of a network that is not run, as `plugins[1]: …`. @returns undefined: all of them may be run */
export function refusedPluginOf(network: NetworkConfigList, ownType = ""): string | undefined {
  for (const [index, plugin] of network.plugins.entries()) {
    const problem = refusedPlugin(plugin, ownType);
    if (problem !== undefined) return network.isList ? `plugins[${index}]: ${problem}` : problem;
  }
  return undefined;
}

/**
 * For a network that is about to be run.
 * @param where names its source
 * @throws {CniError} 7 naming source, network, plugin and reason
 */
export function refuseOwnPlugins(network: NetworkConfigList, where: string, ownType = ""): void {
  const problem = refusedPluginOf(network, ownType);
  if (problem === undefined) return;
  throw new CniError(
    CniErrorCode.invalidNetworkConfig,
    `${where}: network ${quoted(network.name)}: ${problem}`,
  );
}

function problemOf({ type, bytes }: PluginParts): string | undefined {
  return pluginTypeProblem(type) ?? nameProblem("type", type) ?? nestedProblem(bytes);
}

function nameProblem(field: string, type: string): string | undefined {
  if (isMultus(type)) return isMultusItself(type, field);
  // Installers write programs under such a name before they take their place: Multus too.
  return type.startsWith(".") ? `${field} ${quoted(type)} begins with a dot, as no plugin does` : undefined;
}

function isMultusItself(type: string, field = "type"): string {
  return `${field} ${quoted(type)} is Multus itself, which cannot be a plugin of a network that it attaches`;
}

/** What a plugin's configuration says of the plugins that it runs in turn. */
function nestedProblem(configuration: Uint8Array): string | undefined {
  const { buffer, byteOffset, byteLength } = configuration;
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  if (!isSuspicious(bytes)) return undefined;
  for (const { owner, value } of typesWithin(bytes)) {
    if (isMultus(value))
      return isMultusItself(value, owner === "" ? "a type within it," : `${bounded(owner)}.type`);
    const problem = furtherPlugins.includes(owner) ? nameProblem(`${owner}.type`, value) : undefined;
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Has it a name of Multus, an escape that may stand for one, or a string that begins with a dot? Few configurations have. */
function isSuspicious(bytes: Buffer): boolean {
  return bytes.includes(backslash) || bytes.includes("multus") || bytes.includes('".');
}

/**
 * Every member `type` that is a string and may be refused, at any depth, in any case. Not by JSON.parse: of members of one name it has the last only, while Go reads what both have into one
 * object, and a plugin of another language may take the first.
 * @param bytes JSON that a kernel has checked
 * @returns `owner`: the key of the object that the member is in, or of the array of such objects, in lower case; "" for the outermost
 */
function* typesWithin(bytes: Buffer): Generator<{ readonly owner: string; readonly value: string }> {
  /** Of the containers around the place. */
  const owners: (Key | undefined)[] = [];
  let key: Key | undefined;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === openBrace || byte === openBracket) {
      owners.push(key ?? owners.at(-1));
      key = undefined;
    } else if (byte === closeBrace || byte === closeBracket) {
      owners.pop();
      key = undefined;
    } else if (byte === quote) {
      const start = index;
      index = closingQuote(bytes, start);
      if (isBeforeColon(bytes, index + 1)) {
        key = new Key(bytes, start, index + 1);
      } else {
        if (mayBeRefused(bytes[start + 1]) && key?.text === "type") {
          yield { owner: owners.at(-1)?.text ?? "", value: textOf(bytes, start, index + 1) };
        }
        key = undefined;
      }
    }
  }
}

/** A key where it stands. It may be as long as the configuration, and be that of ten thousands of objects. */
class Key {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  #text: string | undefined;

  /** @param start of its opening quote @param end behind the closing one */
  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** In lower case, as Go takes keys in any. */
  get text(): string {
    this.#text ??= textOf(this.#bytes, this.#start, this.#end).toLowerCase();
    return this.#text;
  }
}

/** By the first byte of a type: `m` and `_` of Multus's names, a dot, an escape. A configuration may have tens of thousands of types. */
function mayBeRefused(first: number | undefined): boolean {
  return first === 0x6d || first === 0x5f || first === 0x2e || first === backslash;
}

/** A string of JSON without its quotes and escapes. */
function textOf(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString("utf8", start, end);
  return raw.includes("\\") ? String(JSON.parse(raw)) : raw.slice(1, -1);
}

/** @param start of the opening quote */
function closingQuote(bytes: Buffer, start: number): number {
  let index = start + 1;
  while (index < bytes.length && bytes[index] !== quote) index += bytes[index] === backslash ? 2 : 1;
  return index;
}

function isBeforeColon(bytes: Buffer, start: number): boolean {
  let index = start;
  while ((bytes[index] ?? colon) <= space) index++;
  return bytes[index] === colon;
}
