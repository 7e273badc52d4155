/** The bounds of a link of ATTACH_LINKS as docs/wire.md has them, for tests that make links of any input; and any shim's answer. */

import { posix } from "node:path";
import {
  type LinkAddress,
  type MadeLink,
  mostAddressesOfLink,
  mostRanges,
  mostRoutes,
  mostSets,
  mostSettings,
  type NativeLink,
} from "../../src/agent/executor.ts";

const isName = (name: string) =>
  name !== "" && Buffer.byteLength(name) <= 15 && !/[\s/:%]/.test(name) && name !== "." && name !== "..";
const isUnsigned = (value: number) => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
const isAddress = (bytes: Uint8Array) => bytes.length === 4 || bytes.length === 16;

function addressProblem({ address, prefix, gateway }: LinkAddress): string | undefined {
  if (!isAddress(address)) return "an address of another length";
  if (!isUnsigned(prefix) || prefix > address.length * 8) return "a prefix that is too long";
  if (gateway !== undefined && gateway.length !== address.length) return "a gateway of another family";
  return undefined;
}

function setsProblem(sets: NativeLink["sets"]): string | undefined {
  for (const { requested, ranges } of sets) {
    if (ranges.length === 0 || ranges.length > mostRanges) return "too few or too many ranges";
    for (const { first, last, prefix, gateway } of ranges) {
      const problem = addressProblem({ address: first, prefix, gateway });
      if (problem !== undefined) return problem;
      if (first.length !== last.length || Buffer.compare(first, last) > 0)
        return "a range without an address";
    }
    const hasRequested = ranges.some(
      ({ first, last }) =>
        requested !== undefined &&
        requested.length === first.length &&
        Buffer.compare(first, requested) <= 0 &&
        Buffer.compare(requested, last) <= 0,
    );
    if (requested !== undefined && !hasRequested) return "an address that is in no range";
  }
  return undefined;
}

/** The part of a link that the shim would refuse; undefined: none. */
export function linkProblem(link: NativeLink): string | undefined {
  const { ifName, parent, kind, mac, mtu, mode, queueLength, directory, sets, addresses, routes } = link;
  if (!isName(ifName) || (kind === "ptp" ? parent !== undefined : !isName(parent ?? "")))
    return "a name that is no interface's";
  if (mac !== undefined && mac.length !== 6) return "a MAC address of another length";
  if (mtu !== 0 && !(mtu >= 68 && mtu <= 65_535)) return "an MTU that no interface has";
  if (!isUnsigned(queueLength)) return "a queue length that is too large";
  if (!(kind === "macvlan" ? [1, 2, 4, 8] : [0]).includes(mode)) return "an unknown mode";
  if ((directory === undefined) !== (sets.length === 0)) return "sets without a directory, or the reverse";
  if (directory !== undefined && (!directory.startsWith("/") || posix.normalize(directory) !== directory)) {
    return "a directory that is no absolute path in its shortest form";
  }
  if (sets.length > mostSets || addresses.length > mostAddressesOfLink || routes.length > mostRoutes) {
    return "too much";
  }
  if (
    (link.isGateway || kind === "ptp") &&
    [...addresses, ...sets.flatMap(({ ranges }) => ranges)].some((each) => each.gateway === undefined)
  ) {
    return "a gateway without an address";
  }
  for (const { destination, prefix, gateway, metric = 0 } of routes) {
    const problem = addressProblem({ address: destination, prefix, gateway });
    if (problem !== undefined || !isUnsigned(metric)) return problem ?? "a metric that is too large";
  }
  const { settings, tuning, backups } = link;
  if (settings.length > mostSettings) return "too many settings";
  for (const { table, name, value } of settings) {
    if (!/^ipv[46]\/(conf|neigh)$/.test(table) || !/^[a-z0-9_]{1,63}$/.test(name))
      return "a setting of something else";
    if (value === "" || Buffer.byteLength(value) > 63) return "a value that is too long";
  }
  const { mac: tuned, mtu: tunedMtu = 0, queueLength: queue, flags = 0, changedFlags = 0 } = tuning ?? {};
  if (tuned !== undefined && tuned.length !== 6) return "a MAC address of another length";
  if (tunedMtu !== 0 && !(tunedMtu >= 68 && tunedMtu <= 65_535)) return "an MTU that no interface has";
  if ((changedFlags & ~0x300) !== 0 || (flags & ~changedFlags) !== 0) return "flags that are not tuned";
  const isTuned = tuned !== undefined || tunedMtu !== 0 || queue !== undefined || changedFlags !== 0;
  if ((backups === undefined) === isTuned) return "tuning without a directory, or the reverse";
  if (backups !== undefined && (!backups.startsWith("/") || posix.normalize(backups) !== backups)) {
    return "a directory that is no absolute path in its shortest form";
  }
  return setsProblem(sets) ?? addresses.map(addressProblem).find((problem) => problem !== undefined);
}

/** Answer of a shim that takes the last address of each set. */
export function madeOf({ kind, sets, addresses }: NativeLink): MadeLink {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const isVeth = kind !== "macvlan";
  const ofSets = sets.flatMap(({ requested, ranges: [range] }) =>
    range === undefined
      ? []
      : [{ address: requested ?? range.last, prefix: range.prefix, gateway: range.gateway }],
  );
  return {
    mac,
    addresses: [...ofSets, ...addresses],
    milliseconds: 0.5,
    hostName: isVeth ? "veth0" : "",
    hostMac: isVeth ? mac : new Uint8Array(),
    parentMac: kind === "bridge" ? mac : new Uint8Array(),
  };
}
