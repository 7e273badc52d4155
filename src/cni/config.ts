/** Network configurations: bytes to NetworkConfigList, checked (spec, section 1). */

import { type TextProblem, textError } from "../base/input-error.ts";
import { fieldMembers, isNull, joinMembers, valueOffset } from "../base/json.ts";
import { closeBrace, openBrace, space } from "../base/json-bytes.ts";
import { lineColumn } from "../base/text-places.ts";
import { type ConfigParts, KernelError, type Kernels } from "../kernels/index.ts";
import { versionError } from "./errors.ts";
import { configFailure } from "./kernel-failure.ts";
import { networkNameProblem, pluginTypeProblem } from "./names.ts";
import type { NetworkConfigList } from "./types.ts";
import { versionProblem, versionWhenMissing } from "./versions.ts";

/** Name and version for a configuration that has none. */
interface ConfigDefaults {
  /** For a missing or empty `name`, and for one whose key is in another case, as Go multus fills in a definition's. */
  readonly name?: string | undefined;
  /** For a list without `cniVersion`. Go multus's DEL fills the netconf's in there, and nothing for a single plugin. */
  readonly cniVersion?: string | undefined;
  /**
   * It is only there to be taken away: a plugin whose type is no file name, and a name that is too long for the files of an attachment, are let through. Such a
   * plugin is never run, and the others of the list have to be.
   */
  readonly toBeUndone?: boolean | undefined;
}

/**
 * Parses and checks a single configuration or a list.
 * @param bytes JSON text; the answer has views into it, so it must not change afterwards
 * @param where names the source in errors: a file, a NAD
 * @throws {InputError | CniError} 1 a version that is not supported, InputError anything else wrong with it; all with `where`, and line and column where there is one
 */
export function parseNetworkConfig(
  bytes: Uint8Array,
  where: string,
  kernels: Kernels,
  defaults: ConfigDefaults = {},
): NetworkConfigList {
  /** Where the value is missing, the place is that of the object that should have it. */
  const refuse = (
    message: string | undefined,
    path: readonly string[],
    errorOf = (problem: TextProblem): Error => textError("content", where, [problem]),
  ): void => {
    if (message !== undefined) throw errorOf({ message, ...lineColumn(bytes, valueOffset(bytes, path)) });
  };
  try {
    const { whole, parts } = fillDefaults(bytes, where, kernels, defaults);
    refuse(networkNameProblem(parts.name, defaults.toBeUndone), ["name"]);
    const cniVersion = parts.cniVersion || versionWhenMissing;
    refuse(versionProblem(cniVersion), ["cniVersion"], (problem) => versionError(where, problem));
    if (parts.plugins.length === 0) {
      refuse("must have a type (one plugin) or plugins (a list of them)", ["plugins"]);
    }
    for (const [index, { type }] of parts.plugins.entries()) {
      const problem = defaults.toBeUndone ? undefined : pluginTypeProblem(type);
      const path = parts.isList ? ["plugins", String(index)] : [];
      const field = parts.isList && problem !== undefined ? `plugins[${index}]: ${problem}` : problem;
      refuse(field, [...path, "type"]);
    }
    return {
      name: parts.name,
      cniVersion,
      saysVersion: parts.cniVersion !== "",
      disableCheck: parts.disableCheck,
      disableGC: parts.disableGC,
      plugins: parts.plugins,
      bytes: whole,
      isList: parts.isList,
    };
  } catch (error) {
    if (error instanceof KernelError) throw configFailure(error, bytes, where);
    throw error;
  }
}

/** A network whose configuration names no version, with one written in. @param cniVersion one of supportedVersions */
export function networkInVersion(
  network: NetworkConfigList,
  cniVersion: string,
  kernels: Kernels,
): NetworkConfigList {
  const where = `network ${network.name}`;
  const bytes = withTexts(network.bytes, where, new Map([["cniVersion", cniVersion]]));
  // It is checked: what may only be undone was let through before.
  return parseNetworkConfig(bytes, where, kernels, { toBeUndone: true });
}

/**
 * The configuration with name and version written in, so that its text alone says all of it wherever it is kept, taken apart.
 * @throws {CniError} 6, 7
 */
function fillDefaults(
  bytes: Uint8Array,
  where: string,
  kernels: Kernels,
  defaults: ConfigDefaults,
): { readonly whole: Uint8Array; readonly parts: ConfigParts } {
  const parts = kernels.splitConfig(bytes);
  const set = new Map<string, string>();
  if (defaults.name !== undefined && !hasName(bytes, where, parts)) set.set("name", defaults.name);
  if (parts.isList && parts.cniVersion === "" && defaults.cniVersion !== undefined) {
    set.set("cniVersion", defaults.cniVersion);
  }
  if (set.size === 0) return { whole: bytes, parts };
  const whole = withTexts(bytes, where, set);
  return { whole, parts: kernels.splitConfig(whole) };
}

/** An object with members that it does not have yet, or has as something that counts for nothing. @param object checked @throws {CniError} 6, 7 */
function withTexts(bytes: Uint8Array, where: string, set: ReadonlyMap<string, string>): Uint8Array {
  const written = fieldMembers(bytes, where, (key) => set.has(key));
  if (written.size === 0) return withMembers(bytes, set);
  const members = fieldMembers(bytes, where);
  for (const [key, value] of set) members.set(key, Buffer.from(JSON.stringify(value)));
  return joinMembers(members);
}

/** Has the configuration a `name` whose key is written so? */
function hasName(bytes: Uint8Array, where: string, { name }: ConfigParts): boolean {
  if (name === "") return false;
  const written = fieldMembers(bytes, where, (key) => key === "name").get("name");
  return written !== undefined && !isNull(written);
}

/** An object with members at its end that it does not have yet. The rest stays as it is written: a configuration can have a hundred thousand keys. @param object checked */
function withMembers(object: Uint8Array, added: ReadonlyMap<string, string>): Uint8Array {
  const end = object.lastIndexOf(closeBrace);
  let last = end - 1;
  while ((object[last] ?? openBrace) <= space) last -= 1;
  const members = Array.from(added, ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const comma = object[last] === openBrace ? "" : ",";
  return Buffer.concat([object.subarray(0, end), Buffer.from(`${comma}${members.join()}}`)]);
}
