/** Which attachments are native: a configuration with what one attachment asks for, as the link of an order (docs/configuration.md, "Native networks", has the rules for operators). */

import { setImmediate as nextTurn } from "node:timers/promises";
import type { LinkAddress, LinkRoute, LinkSetting, NativeLink } from "../agent/executor.ts";
import type { NetworkConfigList, RuntimeConf } from "../cni/types.ts";
import { networkAddress, nextAddress } from "./address.ts";
import { type AttachmentArguments, attachmentArguments } from "./attachment-arguments.ts";
import {
  type AddressManagement,
  ipv6Settings,
  type NativeConfiguration,
  readConfiguration,
} from "./configuration.ts";
import { LeftToPlugin, readMac } from "./exact-object.ts";
import { setsOfAttachment } from "./host-local.ts";
import { addressesOfAttachment } from "./static.ts";
import { type AttachedTuning, tuningOfAttachment } from "./tuning.ts";

/** An attachment that one link of an order makes. */
export interface NativeAttachment {
  readonly link: NativeLink;
  readonly configuration: NativeConfiguration;
  /** How many routes at the end of link.routes are of `isDefaultGateway`: through the first gateway of their family, which the result names. */
  readonly defaultRoutes: number;
  /** undefined: there is no plugin tuning. */
  readonly tuning: AttachedTuning | undefined;
}

/** A network's configuration as it was read, or the reason why it is left to its plugin. Networks are kept as long as their definitions stay the same. */
const read = new WeakMap<NetworkConfigList, NativeConfiguration | string>();

/** Bytes of a configuration from which it is read in a turn of its own: an ordinary one has a tenth. */
const longBytes = 4 * 1024;

/**
 * Reads the configurations of a pod's networks, so that `recognize` finds them read. Each long one has a turn of the event loop: the authors of 64 networks may have written 255 routes into each,
 * which together take half a second.
 */
export async function recognizeBeforehand(lists: Iterable<NetworkConfigList>): Promise<void> {
  for (const list of lists) {
    if (list.bytes.length < longBytes || read.has(list)) continue;
    await nextTurn();
    configurationOf(list);
  }
}

/** Is the network native as far as its configuration goes, whatever an attachment asks for? */
export function isNativeConfiguration(list: NetworkConfigList): boolean {
  return typeof configurationOf(list) !== "string";
}

function configurationOf(list: NetworkConfigList): NativeConfiguration | string {
  const known = read.get(list);
  if (known !== undefined) return known;
  const configuration = reasonOr(() => readConfiguration(list));
  read.set(list, configuration);
  return configuration;
}

/** @returns a text: why its plugins have to be run */
export function recognize(list: NetworkConfigList, runtime: RuntimeConf): NativeAttachment | string {
  const configuration = configurationOf(list);
  if (typeof configuration === "string") return configuration;
  const known = configuration;
  return reasonOr(() => attachmentOf(known, runtime));
}

function reasonOr<Value>(work: () => Value): Value | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof LeftToPlugin) return error.message;
    throw error;
  }
}

function attachmentOf(configuration: NativeConfiguration, runtime: RuntimeConf): NativeAttachment {
  // A result has the path, and some releases of Go print control characters differently.
  if (/\p{Cc}/u.test(runtime.netns) || !runtime.netns.isWellFormed()) {
    throw new LeftToPlugin("the path of the network namespace has a control character");
  }
  const { options, ipam } = configuration;
  const asked = attachmentArguments(runtime, configuration.capabilities);
  const addressing = addressingOf(configuration, ipam, asked);
  const tuning =
    configuration.tuning === undefined
      ? undefined
      : tuningOfAttachment(
          configuration.tuning,
          attachmentArguments(runtime, configuration.tuning.capabilities),
        );
  const link = {
    ...options,
    ifName: runtime.ifName,
    mac: macOf(configuration, asked),
    ...addressing.of,
    ...tuning?.of,
    settings: [...settingsOf(configuration, addressing.of), ...(tuning?.settings ?? [])],
  };
  return { link, configuration, defaultRoutes: addressing.defaultRoutes, tuning };
}

/** With an IPv6 address, the plugins have the kernel allow and keep such. */
function settingsOf(
  { options }: NativeConfiguration,
  { sets, addresses }: Pick<NativeLink, "sets" | "addresses">,
): readonly LinkSetting[] {
  const isIpv6 = (address: Uint8Array | undefined) => address?.length === 16;
  const hasIpv6 =
    sets.some(({ ranges: [range] }) => isIpv6(range?.first)) ||
    addresses.some(({ address }) => isIpv6(address));
  return hasIpv6 ? [...options.settings, ...ipv6Settings] : options.settings;
}

interface Addressing {
  readonly of: Pick<NativeLink, "directory" | "sets" | "addresses" | "routes">;
  readonly defaultRoutes: number;
}

function addressingOf(
  configuration: NativeConfiguration,
  ipam: AddressManagement,
  asked: AttachmentArguments,
): Addressing {
  const { argsIp, argsGateway } = asked;
  switch (ipam.type) {
    case "":
      return { of: { sets: [], addresses: [], routes: [] }, defaultRoutes: 0 };
    case "host-local": {
      const ips = [...(argsIp === "" ? [] : [argsIp]), ...configuration.cniIps, ...asked.ips];
      const sets = setsOfAttachment(ipam.hostLocal, asked.ipRanges, ips);
      const lengths = sets.map(({ ranges }) => ranges[0]?.first.length ?? 0);
      const added = defaultRoutes(configuration, ipam.routes, lengths);
      const { directory } = ipam.hostLocal;
      return {
        of: { directory, sets, addresses: [], ...withRoutes(ipam.routes, added) },
        defaultRoutes: added.length,
      };
    }
    case "static": {
      const given = addressesOfAttachment(ipam.addresses, {
        argsIp,
        argsGateway,
        cniIps: configuration.cniIps,
        ips: asked.ips,
      });
      const { isGateway, kind } = configuration.options;
      const addresses = isGateway ? given.map(withGateway) : given;
      if (kind === "ptp" && addresses.some(({ gateway }) => gateway === undefined)) {
        throw new LeftToPlugin("an address of a ptp has no gateway");
      }
      const lengths = addresses.map(({ address }) => address.length);
      const added = defaultRoutes(configuration, ipam.routes, lengths);
      return { of: { sets: [], addresses, ...withRoutes(ipam.routes, added) }, defaultRoutes: added.length };
    }
  }
}

function withRoutes(routes: readonly LinkRoute[], added: readonly LinkRoute[]): Pick<NativeLink, "routes"> {
  return { routes: added.length === 0 ? routes : [...routes, ...added] };
}

/** With `isGateway` the bridge plugin takes the first address of the network for a gateway that is missing. */
function withGateway(given: LinkAddress): LinkAddress {
  if (given.gateway !== undefined) return given;
  const gateway = nextAddress(networkAddress(given));
  if (gateway === undefined)
    throw new LeftToPlugin("an address has no gateway, and its network no first address");
  return { ...given, gateway };
}

/**
 * The routes that the bridge plugin adds with `isDefaultGateway`: for each family that has an address, in the order of the addresses, unless the configuration has a default route with a gateway.
 * @param lengths bytes of each address
 */
function defaultRoutes(
  { isDefaultGateway }: NativeConfiguration,
  routes: readonly LinkRoute[],
  lengths: readonly number[],
): readonly LinkRoute[] {
  if (!isDefaultGateway) return [];
  const missing = new Set(lengths);
  for (const { destination, prefix, gateway } of routes) {
    if (prefix === 0 && gateway !== undefined) missing.delete(destination.length);
  }
  return Array.from(missing, (length) => ({ destination: new Uint8Array(length), prefix: 0 }));
}

/** The MAC address that is asked for: that of the capability argument, else of CNI_ARGS, and of the configuration (which for macvlan is the last in the row). */
function macOf(
  { options, mac: configured }: NativeConfiguration,
  { mac, argsMac }: AttachmentArguments,
): Uint8Array | undefined {
  // ptp gives its interface none.
  if (options.kind === "ptp") return undefined;
  const written = mac || (options.kind === "macvlan" ? argsMac || configured : configured || argsMac);
  return written === "" ? undefined : readMac(written);
}
