/** Results in the form in which the plugins print them: Go's JSON, in the version of the network. */

import type { LinkAddress, MadeLink } from "../agent/executor.ts";
import { compareVersions } from "../cni/versions.ts";
import { addressText, cidrText, macText } from "./address.ts";
import type { Dns, NativeConfiguration } from "./configuration.ts";
import type { NativeAttachment } from "./recognition.ts";

/** Go's encoder escapes these as well, for texts that go into HTML or JavaScript. */
const alsoEscaped = /[<>&\u2028\u2029]/g;

/**
 * The result of an attachment, byte for byte as plugin and IPAM plugin print it. From 1.0.0 on the keys are in alphabetical order and an empty `dns` is left out; before, they are in the order of
 * the spec, an address says its version, and `dns` is always there.
 * @param made one address for each range set, or those of the link
 * @param netns path of the network namespace
 */
export function resultBytes(
  { link, configuration, defaultRoutes, tuning }: NativeAttachment,
  made: MadeLink,
  cniVersion: string,
  netns: string,
): Uint8Array {
  const isSorted = compareVersions(cniVersion, "1.0.0") >= 0;
  const container = interfaceOf(isSorted, link.ifName, macText(made.mac), netns);
  const interfaces = [
    ...(link.kind === "bridge" ? [interfaceOf(isSorted, link.parent ?? "", macText(made.parentMac))] : []),
    ...(link.kind === "macvlan" ? [] : [interfaceOf(isSorted, made.hostName, macText(made.hostMac))]),
    container,
  ].map((each) =>
    // tuning gives its MAC address, as it is written, to whatever has the interface's name.
    tuning?.mac !== undefined && each.name === link.ifName ? { ...each, mac: tuning.mac } : each,
  );
  const at = interfaces.length - 1;
  const ips = made.addresses.map((address) => ipOf(isSorted, address, at));
  const firstDefault = link.routes.length - defaultRoutes;
  const routes = link.routes.map(({ destination, prefix, gateway, metric }, index) => {
    const through = index < firstDefault ? gateway : firstGateway(made.addresses, destination.length);
    return {
      dst: cidrText({ address: destination, prefix }),
      ...(through === undefined ? {} : { gw: addressText(through) }),
      ...(metric === undefined ? {} : { priority: metric }),
    };
  });
  const dns = dnsOf(isSorted, dnsOfResult(configuration));
  const result = {
    cniVersion,
    ...(isSorted && Object.keys(dns).length > 0 ? { dns } : {}),
    interfaces,
    ...(ips.length === 0 ? {} : { ips }),
    ...(routes.length === 0 ? {} : { routes }),
    ...(isSorted ? {} : { dns }),
  };
  const text = JSON.stringify(result, undefined, 4);
  return Buffer.from(
    text.replace(alsoEscaped, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}

function interfaceOf(
  isSorted: boolean,
  name: string,
  mac: string,
  sandbox?: string,
): { readonly name: string; readonly mac: string } {
  const rest = sandbox === undefined ? {} : { sandbox };
  return isSorted ? { mac, name, ...rest } : { name, mac, ...rest };
}

function ipOf(isSorted: boolean, ip: LinkAddress, at: number): object {
  const address = cidrText(ip);
  const gateway = ip.gateway === undefined ? {} : { gateway: addressText(ip.gateway) };
  if (isSorted) return { address, ...gateway, interface: at };
  return { version: ip.address.length === 4 ? "4" : "6", interface: at, address, ...gateway };
}

function firstGateway(addresses: readonly LinkAddress[], length: number): Uint8Array | undefined {
  return addresses.find(({ address }) => address.length === length)?.gateway;
}

/** macvlan prints the configuration's dns alone; bridge and ptp that of their IPAM plugin where the configuration has none. */
function dnsOfResult({ options, dns, ipam }: NativeConfiguration): Dns {
  const isSet =
    dns.nameservers !== undefined ||
    dns.search !== undefined ||
    dns.options !== undefined ||
    (dns.domain ?? "") !== "";
  return options.kind !== "macvlan" && !isSet && ipam.type === "static" ? ipam.dns : dns;
}

function dnsOf(isSorted: boolean, { nameservers = [], domain = "", search = [], options = [] }: Dns): object {
  const texts = domain === "" ? {} : { domain };
  const servers = nameservers.length === 0 ? {} : { nameservers };
  const domains = search.length === 0 ? {} : { search };
  const settings = options.length === 0 ? {} : { options };
  return isSorted
    ? { ...texts, ...servers, ...settings, ...domains }
    : { ...servers, ...texts, ...domains, ...settings };
}
