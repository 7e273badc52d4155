/**
 * Finds an attachment's configuration of its ADD. DEL and CHECK run with the configuration's very bytes wherever they are left:
 * `Bytes` of the plan, else `config` of the result cache. The form that Go's types kept has lost the plugins' own keys, and is the last resort (docs/behaviour.md, "DEL").
 */

import { joinElements, joinMembers, objectMembers } from "../../base/json.ts";
import type { CachedAttachment } from "../../cni/cache.ts";
import { parseNetworkConfig } from "../../cni/config.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import { errorText } from "../../log/error-text.ts";
import type { Call } from "../request/call.ts";
import type { ContainerAttachment } from "./container.ts";
import type { PlanEntry, PlannedConfiguration } from "./plan-decoding.ts";

/** Parses configurations as this request runs them. */
type Parsing = Pick<Call, "chain" | "netconf">;

/**
 * The configuration of an attachment by its plan, and where the plan has lost it or never had it, by the result cache.
 * @returns undefined: nothing of it is left. Damage, and a run without the plugins' own keys because of it, is logged. Never throws.
 */
export function configurationThen(
  parsing: Parsing,
  attachment: ContainerAttachment,
): NetworkConfigList | undefined {
  const { ifName, planned } = attachment;
  const whole = wholeConfiguration(parsing, attachment);
  if (whole !== undefined) return whole;
  const asRead = planned && firstUsable(parsing, planned.entry, "as-read");
  const projection = planned && firstUsable(parsing, planned.entry, "projection");
  // The cache has no more than the list as it was read.
  const cached = asRead === undefined ? attachment.cached : undefined;
  const read = asRead ?? (cached && cachedConfiguration(parsing, cached));
  const lost = projection?.plugins.slice(read?.plugins.length ?? 0) ?? [];
  if (lost.length > 0) {
    parsing.chain.log.error(
      "a network's configuration is lost in the plan and in the result cache: these plugins run without the keys that they alone know",
      { network: attachment.name, ifName, plugins: lost.map(({ type }) => type).join(",") },
    );
  }
  return read && projection ? withFurtherPlugins(parsing, read, projection) : (read ?? projection);
}

/** The configuration that the plan says the delegate was run with, byte for byte; undefined where the plan has lost it. Never throws. */
export function wholeConfiguration(
  parsing: Parsing,
  { planned }: ContainerAttachment,
): NetworkConfigList | undefined {
  return planned && firstUsable(parsing, planned.entry, "whole");
}

/** The configuration in the result cache; undefined, and reported, where it cannot be used. Never throws. */
export function cachedConfiguration(
  parsing: Parsing,
  { networkName, config }: CachedAttachment,
): NetworkConfigList | undefined {
  return parse(parsing, config, `network ${networkName} of the result cache`);
}

/**
 * A list with the plugins that another form of it has beyond its own. A result cache that Go multus wrote, and its list as it was read, have not those of the list's subdirectory, which
 * would never be undone.
 */
export function withFurtherPlugins(
  parsing: Parsing,
  list: NetworkConfigList,
  other: NetworkConfigList,
): NetworkConfigList {
  const further = other.plugins.slice(list.plugins.length);
  if (!list.isList || further.length === 0) return list;
  const where = `network ${list.name} with further plugins`;
  const plugins = joinElements([...list.plugins, ...further].map(({ bytes }) => bytes));
  const bytes = joinMembers(objectMembers(list.bytes, where).set("plugins", plugins));
  return parse(parsing, bytes, where) ?? list;
}

function firstUsable(
  parsing: Parsing,
  { name, configurations }: PlanEntry,
  kind: PlannedConfiguration["kind"],
): NetworkConfigList | undefined {
  for (const configuration of configurations) {
    if (configuration.kind !== kind) continue;
    const network = parse(parsing, configuration.text, `network ${name} of the plan`);
    if (network !== undefined) return network;
  }
  return undefined;
}

function parse(parsing: Parsing, bytes: Uint8Array, where: string): NetworkConfigList | undefined {
  try {
    return parseNetworkConfig(bytes, where, parsing.chain.kernels, {
      cniVersion: parsing.netconf.cniVersion || undefined,
      toBeUndone: true,
    });
  } catch (error) {
    parsing.chain.log.error("a saved configuration cannot be used", { error: errorText(error) });
    return undefined;
  }
}
