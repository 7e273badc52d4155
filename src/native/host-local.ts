/** The IPAM plugin host-local: its range sets as the plugin completes them, the addresses that an attachment asks for, and the directory of its address files. */

import { type AddressRange, type AddressSet, mostRanges, mostSets } from "../agent/executor.ts";
import { quoted } from "../log/quoted.ts";
import {
  addressText,
  compareAddresses,
  isSameAddress,
  lastAddress,
  networkAddress,
  nextAddress,
  parseAddress,
  parseCidr,
} from "./address.ts";
import { type ElementReader, ExactObject, LeftToPlugin, readList } from "./exact-object.ts";

const rangeKeys = ["subnet", "rangeStart", "rangeEnd", "gateway"] as const;

/** Keys of `ipam` with host-local. */
export const hostLocalKeys = ["type", ...rangeKeys, "ranges", "routes", "dataDir", "resolvConf"] as const;

const usualDataDir = "/var/lib/cni/networks";

/** A configuration's part of an attachment. */
export interface HostLocal {
  readonly directory: string;
  /** Range sets of the configuration. */
  readonly sets: readonly AddressSet[];
  /** Of `sets` alone; undefined: they can be used. */
  readonly problem: string | undefined;
}

/** @param network its name, checked @throws {LeftToPlugin} */
export function readHostLocal(ipam: ExactObject, network: string): HostLocal {
  if ((ipam.text("resolvConf") ?? "") !== "") {
    throw new LeftToPlugin(`key ${quoted(ipam.place("resolvConf"))} is set`);
  }
  const ranges = ipam.list("ranges", readRangeSet) ?? [];
  const hasRange = rangeKeys.some((key) => ipam.has(key));
  const sets = hasRange ? [{ ranges: [readRange(ipam)] }, ...ranges] : ranges;
  return { directory: ipam.directory("dataDir", usualDataDir, network), sets, problem: setsProblem(sets) };
}

/** A range set: of `ranges`, or of the capability argument ipRanges. @throws {LeftToPlugin} */
export const readRangeSet: ElementReader<AddressSet> = (json, where) => ({
  ranges: readList(json, where, (range, place) => readRange(new ExactObject(range, place, rangeKeys))),
});

/** A range with all that host-local fills in: its first and last address, and the gateway. @throws {LeftToPlugin} */
function readRange(object: ExactObject): AddressRange {
  const subnet = parseCidr(object.text("subnet") ?? "");
  if (subnet === undefined) throw notUsual(object, "subnet");
  const { address, prefix } = subnet;
  const isV4 = address.length === 4;
  if (prefix === 0 || prefix > address.length * 8 - 2) throw notUsual(object, "subnet");
  if (!isSameAddress(networkAddress(subnet), address)) throw notUsual(object, "subnet");
  const start = nextAddress(address);
  const end = lastAddress(subnet);
  // The broadcast address.
  if (isV4) end[3] = (end[3] ?? 0) - 1;
  const given = (key: (typeof rangeKeys)[number]): Uint8Array | undefined => {
    const text = object.text(key);
    if (text === undefined) return undefined;
    const parsed = parseAddress(text);
    if (parsed === undefined || parsed.length !== address.length) throw notUsual(object, key);
    return parsed;
  };
  const first = given("rangeStart") ?? start;
  const last = given("rangeEnd") ?? end;
  const gateway = given("gateway") ?? start;
  const isInside = (each: Uint8Array) => isSameAddress(networkAddress({ address: each, prefix }), address);
  if (first === undefined || !isInside(first)) throw notUsual(object, "rangeStart");
  if (!isInside(last) || compareAddresses(first, last) > 0) throw notUsual(object, "rangeEnd");
  return { first, last, gateway, prefix };
}

function notUsual(object: ExactObject, key: (typeof rangeKeys)[number]): LeftToPlugin {
  const text = object.text(key);
  const place = quoted(object.place(key));
  return new LeftToPlugin(
    text === undefined ? `key ${place} is missing` : `key ${place} cannot be ${quoted(text)}`,
  );
}

/** The problem of range sets together; undefined: they can be used. */
function setsProblem(sets: readonly AddressSet[]): string | undefined {
  if (sets.length === 0) return "host-local has no ranges";
  if (sets.length > mostSets) return `host-local has more than ${mostSets} range sets`;
  for (const { ranges } of sets) {
    const [first] = ranges;
    if (first === undefined) return "host-local has an empty range set";
    if (ranges.length > mostRanges) return `a range set of host-local has more than ${mostRanges} ranges`;
    const isMixed = ranges.some((range) => range.first.length !== first.first.length);
    if (isMixed) return "a range set of host-local has addresses of both families";
  }
  const all = sets.flatMap(({ ranges }) => ranges).sort(byFirst);
  const overlaps = all.some((range, index) => {
    const before = all[index - 1];
    return (
      before !== undefined &&
      before.first.length === range.first.length &&
      compareAddresses(range.first, before.last) <= 0
    );
  });
  return overlaps ? "ranges of host-local overlap" : undefined;
}

/** By family, then by the first address: a range then overlaps with its neighbour, if with any. */
function byFirst(left: AddressRange, right: AddressRange): number {
  return left.first.length - right.first.length || compareAddresses(left.first, right.first);
}

/**
 * The range sets of one attachment, in host-local's order: those of the capability argument come first.
 * @param asked addresses that the attachment asks for: CNI_ARGS, args.cni, capability argument. A prefix behind one counts for nothing
 * @throws {LeftToPlugin} ranges or addresses with which host-local fails
 */
export function setsOfAttachment(
  { sets, problem }: HostLocal,
  ipRanges: readonly AddressSet[],
  asked: readonly string[],
): readonly AddressSet[] {
  const all = ipRanges.length === 0 ? sets : [...ipRanges, ...sets];
  const wrong = all === sets ? problem : setsProblem(all);
  if (wrong !== undefined) throw new LeftToPlugin(wrong);
  return asked.length === 0 ? all : withRequested(all, asked);
}

function withRequested(sets: readonly AddressSet[], asked: readonly string[]): readonly AddressSet[] {
  const left = new Map(asked.map(readAsked).map((address) => [addressText(address), address]));
  const requesting = sets.map((set) => {
    for (const [text, requested] of left) {
      const range = set.ranges.find((each) => isIn(each, requested));
      if (range === undefined) continue;
      left.delete(text);
      if (range.gateway !== undefined && isSameAddress(range.gateway, requested)) {
        throw new LeftToPlugin(`address ${text} is asked for, and is the gateway`);
      }
      return { requested, ranges: set.ranges };
    }
    return set;
  });
  const [text] = left.keys();
  if (text !== undefined)
    throw new LeftToPlugin(`address ${text} is asked for, and no range set is left for it`);
  return requesting;
}

function readAsked(text: string): Uint8Array {
  const address = text.includes("/") ? parseCidr(text)?.address : parseAddress(text);
  if (address === undefined) throw new LeftToPlugin(`${quoted(text)} is asked for as address`);
  return address;
}

function isIn({ first, last }: AddressRange, address: Uint8Array): boolean {
  return (
    address.length === first.length &&
    compareAddresses(first, address) <= 0 &&
    compareAddresses(address, last) <= 0
  );
}
