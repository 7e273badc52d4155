/** Network configurations: bytes to NetworkConfigList, checked (spec, section 1). */

import { KernelError, type Kernels } from "../kernels/index.ts";
import { CniError, CniErrorCode } from "./errors.ts";
import { joinMembers, objectMembers } from "./json.ts";
import { configFailure } from "./kernel-failure.ts";
import { checkNetworkName, checkPluginType } from "./names.ts";
import type { NetworkConfigList } from "./types.ts";
import { checkVersion, versionWhenMissing } from "./versions.ts";

/** What a configuration takes where it does not say. */
export interface ConfigDefaults {
  /** For a missing or empty `name`. */
  readonly name?: string | undefined;
  /** For a list without `cniVersion`; a single plugin without it is 0.1.0 as the spec says. */
  readonly cniVersion?: string | undefined;
}

/**
 * Parses and checks a single configuration or a list.
 * @param bytes JSON text; the answer has views into it, so it must not change afterwards
 * @param where names the source in errors: a file, a NAD
 * @throws {CniError} 6 not JSON, 7 anything else wrong with it, 1 a version that is not supported; all with `where`, and line and column where there is one
 */
export function parseNetworkConfig(
  bytes: Uint8Array,
  where: string,
  kernels: Kernels,
  defaults: ConfigDefaults = {},
): NetworkConfigList {
  try {
    const whole = fillDefaults(bytes, where, kernels, defaults);
    const parts = kernels.splitConfig(whole);
    checkNetworkName(parts.name, where);
    const cniVersion = parts.cniVersion || versionWhenMissing;
    checkVersion(cniVersion, where);
    if (parts.plugins.length === 0) {
      throw new CniError(
        CniErrorCode.invalidNetworkConfig,
        `${where}: must have a type (one plugin) or plugins (a list of them)`,
      );
    }
    for (const [index, { type }] of parts.plugins.entries()) {
      checkPluginType(type, parts.isList ? `${where}: plugins[${index}]` : where);
    }
    return {
      name: parts.name,
      cniVersion,
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

/**
 * The configuration with name and version written in, so that its text alone says all of it wherever it is kept.
 * @throws {CniError} 6, 7
 */
function fillDefaults(
  bytes: Uint8Array,
  where: string,
  kernels: Kernels,
  defaults: ConfigDefaults,
): Uint8Array {
  const parts = kernels.splitConfig(bytes);
  const set = new Map<string, string>();
  if (parts.name === "" && defaults.name !== undefined) set.set("name", defaults.name);
  if (parts.isList && parts.cniVersion === "" && defaults.cniVersion !== undefined) {
    set.set("cniVersion", defaults.cniVersion);
  }
  if (set.size === 0) return bytes;
  const members = objectMembers(bytes, where);
  for (const [key, value] of set) members.set(key, Buffer.from(JSON.stringify(value)));
  return joinMembers(members);
}
