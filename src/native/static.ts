/** The IPAM plugin static: the addresses of an attachment, from its configuration or its arguments. */

import { type LinkAddress, mostAddressesOfLink } from "../agent/executor.ts";
import { quoted } from "../log/quoted.ts";
import { parseAddress, parseCidr } from "./address.ts";
import { type ElementReader, ExactObject, LeftToPlugin } from "./exact-object.ts";

/** Keys of `ipam` with static. */
export const staticKeys = ["type", "addresses", "routes", "dns"] as const;

/** Addresses of a configuration. @throws {LeftToPlugin} */
export function readStatic(ipam: ExactObject): readonly LinkAddress[] {
  return ipam.list("addresses", readAddress) ?? [];
}

const readAddress: ElementReader<LinkAddress> = (json, where) => {
  const object = new ExactObject(json, where, ["address", "gateway"]);
  const { address, prefix } = readCidr(object.text("address") ?? "", object.place("address"));
  const written = object.text("gateway");
  if (written === undefined) return { address, prefix };
  const gateway = parseAddress(written);
  if (gateway?.length !== address.length) {
    throw new LeftToPlugin(`key ${quoted(object.place("gateway"))} cannot be ${quoted(written)}`);
  }
  return { address, prefix, gateway };
};

/** @param where the place of the text in the configuration, or in what @throws {LeftToPlugin} */
function readCidr(text: string, where: string): LinkAddress {
  const cidr = parseCidr(text);
  if (cidr === undefined || cidr.prefix === 0) {
    throw new LeftToPlugin(
      `${quoted(where)} cannot be ${quoted(text)}: an address with a prefix length is expected`,
    );
  }
  return cidr;
}

/** The addresses that one attachment asks for, each as text with a prefix length. */
interface AskedAddresses {
  /** IP of CNI_ARGS: addresses with commas between them, which come beside those of the configuration. */
  readonly argsIp: string;
  /** GATEWAY of CNI_ARGS. */
  readonly argsGateway: string;
  /** args.cni.ips: in place of those before. */
  readonly cniIps: readonly string[];
  /** Capability argument ips: in place of those before. */
  readonly ips: readonly string[];
}

/** The addresses of one attachment, in static's order. @throws {LeftToPlugin} addresses with which static fails */
export function addressesOfAttachment(
  configured: readonly LinkAddress[],
  { argsIp, argsGateway, cniIps, ips }: AskedAddresses,
): readonly LinkAddress[] {
  if (argsGateway !== "") throw new LeftToPlugin("CNI_ARGS has GATEWAY");
  const fromArgs =
    argsIp === ""
      ? []
      : argsIp.split(",").map((text) => readCidr(text.replace(/^ +| +$/g, ""), "CNI_ARGS: IP"));
  const fromCni = cniIps.map((text) => readCidr(text, "args.cni.ips"));
  const fromRuntime = ips.map((text) => readCidr(text, "runtimeConfig.ips"));
  const beside = fromArgs.length === 0 ? configured : [...configured, ...fromArgs];
  const addresses = [fromRuntime, fromCni, beside].find(({ length }) => length > 0) ?? [];
  if (addresses.length === 0) throw new LeftToPlugin("static has no address");
  if (addresses.length > mostAddressesOfLink) {
    throw new LeftToPlugin(`static has more than ${mostAddressesOfLink} addresses`);
  }
  return addresses;
}
