/**
 * Plugins that are never run for a network: Multus itself, and programs that are no plugins. Multus as a plugin of a network would take that network's configuration for
 * its own, and the author of the network would say which program the node runs (`daemonCommand`) and where it makes files; and it would wait for the request
 * that started it.
 */

import { backslash } from "../../base/json-bytes.ts";
import { configError } from "../../cni/errors.ts";
import { pluginTypeProblem } from "../../cni/names.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import type { PluginParts } from "../../kernels/index.ts";
import { bounded, quoted } from "../../log/quoted.ts";
import { typesWithin } from "./types-within.ts";

/** The plugin binary under the names that configurations call it by: Go multus's thin plugin has the first, its thick one the second. */
export const multusPluginNames: readonly string[] = ["multus", "multus-shim"];

/** Plugin, shim, daemons and tools of both implementations, and copies that installers and people make: `_multus`, `multus.old`. */
const multusName = /^_?multus(?:-cni|-shim|-daemon|d|ctl)?(?:[.~].*)?$/;

/** Keys whose object is the configuration of a further plugin, which the plugin runs itself. In lower case: Go takes keys in any. */
const furtherPlugins: readonly string[] = ["ipam", "delegate"];

/** Why a plugin is not run; undefined: it may be. For as long as its network is kept parsed. */
const known = new WeakMap<PluginParts, string | undefined>();

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
  throw configError(`${where}: network ${quoted(network.name)}: ${problem}`);
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

/** The plugins that a plugin runs in turn, by its configuration. */
function nestedProblem(configuration: Uint8Array): string | undefined {
  const { buffer, byteOffset, byteLength } = configuration;
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  if (!isSuspicious(bytes)) return undefined;
  for (const { owner, value } of typesWithin(bytes, mayBeRefused)) {
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

/** By the first byte of a type: `m` and `_` of Multus's names, a dot, an escape. A configuration may have tens of thousands of types. */
function mayBeRefused(first: number | undefined): boolean {
  return first === 0x6d || first === 0x5f || first === 0x2e || first === backslash;
}
