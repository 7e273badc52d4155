/** The interface in the pod that a network's result lists (CNI spec, section 5, "ADD Success"), as far as CHECK can hold the interface to it. */

import { isIP } from "node:net";
import { type ExpectedLink, mostAddressesOfLink } from "../../agent/executor.ts";
import { isJsonObject, listOf, parseJson } from "../../base/json.ts";
import { isHardwareAddress } from "../input/selection.ts";

/** An interface as a result has it. */
export interface ResultLink extends ExpectedLink {
  /** Six bytes in hexadecimal digits, without separators; undefined where the result has none. */
  readonly mac: string | undefined;
  /** It may be a device that a program in the pod drives, which the kernel has no link for. */
  readonly mayBeInUserSpace: boolean;
}

/**
 * The interface `ifName` of a result. Plugins write texts of their own into a result, so what is not certain is left out: a sandbox that is none of `sandboxes`, a MAC
 * address that is none, addresses that name no interface.
 * @param result JSON text of any spec version
 * @param ifName the attachment's
 * @param sandboxes paths of the pod's network namespace
 * @returns undefined where the result does not say that there is such an interface in the pod
 * @throws {CniError} 6 no JSON
 */
export function readResultLink(
  result: Uint8Array,
  ifName: string,
  sandboxes: readonly string[],
): ResultLink | undefined {
  const parsed = parseJson(result, "cached result");
  if (!isJsonObject(parsed)) return undefined;
  const interfaces = listOf(parsed.interfaces);
  const own = new Set(
    interfaces.filter(
      (one) => isJsonObject(one) && one.name === ifName && sandboxes.some((path) => path === one.sandbox),
    ),
  );
  const [first] = own;
  if (!isJsonObject(first)) return undefined;
  const addresses = listOf(parsed.ips).flatMap((ip) =>
    isJsonObject(ip) && typeof ip.interface === "number" && own.has(interfaces[ip.interface])
      ? addressOf(ip.address)
      : [],
  );
  return {
    ifName,
    // Of several it cannot be told which one the link is.
    mac: own.size === 1 ? macOf(first.mac) : undefined,
    addresses: [...new Set(addresses)].slice(0, mostAddressesOfLink),
    // Both since 1.1.0.
    mayBeInUserSpace: [first.pciID, first.socketPath].some((text) => typeof text === "string" && text !== ""),
  };
}

/** Six bytes in hexadecimal digits; undefined for any other text. All zeros say nothing. */
function macOf(value: unknown): string | undefined {
  if (typeof value !== "string" || !isHardwareAddress(value)) return undefined;
  const digits = value.replaceAll(/[:.-]/g, "").toLowerCase();
  return digits.length === 12 && /[1-9a-f]/.test(digits) ? digits : undefined;
}

/** The address of a CIDR. One that IPv6 writes for IPv4, or with a zone, is not in the kernel's list as it is written. */
function addressOf(value: unknown): string[] {
  const [address = ""] = typeof value === "string" ? value.split("/") : [];
  return isIP(address) !== 0 && !/%|^::ffff:/i.test(address) ? [address] : [];
}
