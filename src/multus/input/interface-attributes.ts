/** A controller's wishes for one attachment that it plugs into a running pod: Go multus's `interfaceAttributes` (docs/behaviour.md, "HTTP on the socket"). */

import { isJsonObject, parseJson } from "../../base/json.ts";
import { keySpelling } from "../../base/key-spelling.ts";
import { invalidValue } from "../../base/schema.ts";
import { isAddressOrCidr, isHardwareAddress } from "./selection.ts";

export interface InterfaceAttributes {
  /** Addresses or CIDRs. */
  readonly ips?: readonly string[] | undefined;
  readonly mac?: string | undefined;
  /** `cni-args`: raw JSON object. */
  readonly cniArgs?: Uint8Array | undefined;
}

const where = "interfaceAttributes";
const spelling = keySpelling(["ips", "mac", "cni-args"]);

/**
 * As for Go, keys may be in any case, what is null or empty counts as absent, and keys that nobody knows are passed over.
 * @param bytes JSON text; undefined: there are none
 * @throws {CniError} 7 naming field and value; 6 with line and column for broken JSON
 */
export function parseInterfaceAttributes(bytes: Uint8Array | undefined): InterfaceAttributes {
  const value = bytes === undefined ? null : parseJson(bytes, where);
  if (bytes === undefined || value === null) return {};
  const refuse = (path: readonly string[], message: string, wrong: unknown) =>
    invalidValue(bytes, where, path, message, wrong);

  if (!isJsonObject(value)) throw refuse([], "must be an object", value);
  const { object, members } = spelling.present(bytes, where, spelling.isKnown);
  const { ips, mac, "cni-args": cniArgs } = object;
  const addresses = ips ?? [];
  if (!Array.isArray(addresses)) throw refuse(["ips"], "must be a list of IP addresses or CIDRs", ips);
  for (const [index, ip] of addresses.entries()) {
    if (typeof ip !== "string" || !isAddressOrCidr(ip)) {
      throw refuse(["ips", String(index)], "must be an IP address or CIDR", ip);
    }
  }
  const address = mac ?? "";
  if (typeof address !== "string" || (address !== "" && !isHardwareAddress(address))) {
    throw refuse(["mac"], "must be a hardware address (6, 8 or 20 bytes)", mac);
  }
  const args = cniArgs ?? {};
  if (!isJsonObject(args)) throw refuse(["cni-args"], "must be an object", cniArgs);
  return {
    ips: addresses.length === 0 ? undefined : addresses,
    mac: address || undefined,
    cniArgs: Object.keys(args).length === 0 ? undefined : members.get("cni-args"),
  };
}
