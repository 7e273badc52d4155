/**
 * Finds an attachment's configuration and capability arguments of its ADD. DEL and CHECK run with the configuration's very bytes wherever they are left:
 * `Bytes` of the plan, else `config` of the result cache. The form that Go's types kept has lost the plugins' own keys, and is the last resort (docs/behaviour.md, "DEL").
 */

import { joinElements, joinMembers, objectMembers } from "../../base/json.ts";
import type { CachedAttachment } from "../../cni/cache.ts";
import { parseNetworkConfig } from "../../cni/config.ts";
import type { NetworkConfigList, RuntimeConf } from "../../cni/types.ts";
import { errorText } from "../../log/error-text.ts";
import { type Attachment, type RequestContext, runtimeConf } from "../request/context.ts";
import type { PlanEntry, PlannedConfiguration } from "./plan-decoding.ts";

/**
 * The configuration of a plan's entry, and where the plan has lost it, that of the result cache.
 * @param ifName the attachment's
 * @returns undefined: nothing of it is left. Damage, and a run without the plugins' own keys because of it, is logged. Never throws.
 */
export function plannedConfiguration(
  context: RequestContext,
  entry: PlanEntry,
  ifName: string,
): NetworkConfigList | undefined {
  const { request, chain, log } = context;
  const whole = wholeConfiguration(context, entry);
  if (whole !== undefined) return whole;
  const asRead = firstUsable(context, entry, "as-read");
  const projection = firstUsable(context, entry, "projection");
  const networkName = (asRead ?? projection)?.name ?? entry.name.slice(entry.name.lastIndexOf("/") + 1);
  // The cache has no more than the list as it was read.
  const cached =
    asRead !== undefined || networkName === ""
      ? undefined
      : chain.cache.read({ networkName, containerId: request.containerId, ifName });
  const read = asRead ?? (cached && cachedConfiguration(context, cached));
  const lost = projection?.plugins.slice(read?.plugins.length ?? 0) ?? [];
  if (lost.length > 0) {
    log.error(
      "a network's configuration is lost in the plan and in the result cache: these plugins run without the keys that they alone know",
      { network: entry.name, ifName, plugins: lost.map(({ type }) => type).join(",") },
    );
  }
  return read && projection ? withFurtherPlugins(context, read, projection) : (read ?? projection);
}

/** The configuration that the entry's delegate was run with; undefined where the plan has lost it. Never throws. */
export function wholeConfiguration(context: RequestContext, entry: PlanEntry): NetworkConfigList | undefined {
  return firstUsable(context, entry, "whole");
}

/**
 * libcni's RuntimeConf of an attachment as it was ADDed. The plan, in Go multus's form, does not say which port mappings and which bandwidth a selection asked for; the
 * result cache does.
 * @param cached the attachment's cache entry; undefined: there is none
 */
export function runtimeConfThen(
  context: RequestContext,
  attachment: Attachment,
  cached: CachedAttachment | undefined,
): RuntimeConf {
  return runtimeConf(context, {
    ...attachment,
    knownCapabilityArgs: cached?.capabilityArgs ?? attachment.knownCapabilityArgs,
  });
}

/** The attachment's entry in the result cache; undefined: there is none. Never throws. */
export function cachedThen(
  { request, chain }: RequestContext,
  { network, ifName }: Attachment,
): CachedAttachment | undefined {
  return chain.cache.read({ networkName: network.name, containerId: request.containerId, ifName });
}

/** The configuration in the result cache; undefined, and reported, where it cannot be used. Never throws. */
export function cachedConfiguration(
  context: RequestContext,
  { networkName, config }: CachedAttachment,
): NetworkConfigList | undefined {
  return parse(context, config, `network ${networkName} of the result cache`);
}

/**
 * A list with the plugins that another form of it has beyond its own. A result cache that Go multus wrote, and its list as it was read, have not those of the list's subdirectory, which
 * would never be undone.
 */
export function withFurtherPlugins(
  context: RequestContext,
  list: NetworkConfigList,
  other: NetworkConfigList,
): NetworkConfigList {
  const further = other.plugins.slice(list.plugins.length);
  if (!list.isList || further.length === 0) return list;
  const where = `network ${list.name} with further plugins`;
  const plugins = joinElements([...list.plugins, ...further].map(({ bytes }) => bytes));
  const bytes = joinMembers(objectMembers(list.bytes, where).set("plugins", plugins));
  return parse(context, bytes, where) ?? list;
}

function firstUsable(
  context: RequestContext,
  { name, configurations }: PlanEntry,
  kind: PlannedConfiguration["kind"],
): NetworkConfigList | undefined {
  for (const configuration of configurations) {
    if (configuration.kind !== kind) continue;
    const network = parse(context, configuration.text, `network ${name} of the plan`);
    if (network !== undefined) return network;
  }
  return undefined;
}

function parse(context: RequestContext, bytes: Uint8Array, where: string): NetworkConfigList | undefined {
  try {
    return parseNetworkConfig(bytes, where, context.chain.kernels, {
      cniVersion: context.netconf.cniVersion || undefined,
      toBeUndone: true,
    });
  } catch (error) {
    context.log.error("a saved configuration cannot be used", {
      error: errorText(error),
    });
    return undefined;
  }
}
