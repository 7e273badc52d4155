/**
 * Prints the parts of results in the shape of a version, from what a reader has read last. The caller has made room for as many bytes
 * as what was read has.
 */

import { Character } from "../json/characters";
import { writeByte, writeBytes, writeText } from "../json/write";
import { writeAddress, writeCidr } from "../net/address";
import { endOf, Field, startOf } from "./fields";
import { addressFamily, addressIsCanonical, gatewayIsCanonical } from "./readers";
import { SHAPE_LISTS } from "./versions";

/** Writes `"key":` and the text of a field, if it is there. */
@inline
function writeField(to: usize, key: string, field: Field): usize {
  const start = startOf(field);
  return start ? writeBytes(writeText(to, key), start, endOf(field)) : to;
}

/** Writes the CIDR (ADDRESS, DST) or the gateway (GATEWAY, GW) of the address or route read last, in quotes. */
function writeIpText(to: usize, field: Field): usize {
  to = writeByte(to, Character.QUOTE);
  const text = startOf(field);
  const isGateway = field == Field.GATEWAY || field == Field.GW;
  if (isGateway ? gatewayIsCanonical : addressIsCanonical) to = writeBytes(to, text, endOf(field));
  else to = isGateway ? writeAddress(to, text) : writeCidr(to, text);
  return writeByte(to, Character.QUOTE);
}

/** Prints the interface read last. Members that only 1.0.0 and 1.1.0 have are never needed: their results are of one shape. */
export function writeInterface(to: usize): usize {
  to = writeText(to, '{"name":');
  const name = startOf(Field.NAME);
  to = name ? writeBytes(to, name, endOf(Field.NAME)) : writeText(to, '""');
  to = writeField(to, ',"mac":', Field.MAC);
  to = writeField(to, ',"sandbox":', Field.SANDBOX);
  return writeByte(to, Character.CLOSE_BRACE);
}

/** Prints the address read last as an element of `ips`. */
export function writeIp(to: usize, shape: i32): usize {
  to = writeByte(to, Character.OPEN_BRACE);
  if (shape == SHAPE_LISTS) to = writeText(to, addressFamily == 4 ? '"version":"4",' : '"version":"6",');
  to = writeText(to, '"address":');
  to = writeIpText(to, Field.ADDRESS);
  to = writeField(to, ',"interface":', Field.INTERFACE);
  if (startOf(Field.GATEWAY)) to = writeIpText(writeText(to, ',"gateway":'), Field.GATEWAY);
  return writeByte(to, Character.CLOSE_BRACE);
}

/** Prints the address read last as the beginning of ip4 or ip6: the brace is left open for its routes. */
export function writeFamilyStart(to: usize): usize {
  to = writeIpText(writeText(to, '{"ip":'), Field.ADDRESS);
  return startOf(Field.GATEWAY) ? writeIpText(writeText(to, ',"gateway":'), Field.GATEWAY) : to;
}

/** Prints the route read last. */
export function writeRoute(to: usize, onlyDestination: bool): usize {
  to = writeIpText(writeText(to, '{"dst":'), Field.DST);
  if (startOf(Field.GW)) to = writeIpText(writeText(to, ',"gw":'), Field.GW);
  if (!onlyDestination) {
    to = writeField(to, ',"mtu":', Field.ROUTE_MTU);
    to = writeField(to, ',"advmss":', Field.ADVMSS);
    to = writeField(to, ',"priority":', Field.PRIORITY);
    to = writeField(to, ',"table":', Field.TABLE);
    to = writeField(to, ',"scope":', Field.SCOPE);
  }
  return writeByte(to, Character.CLOSE_BRACE);
}

/** Prints the DNS settings read last: what is empty is left out. */
export function writeDns(to: usize): usize {
  let separator: u32 = Character.OPEN_BRACE;
  for (let field = Field.NAMESERVERS; field <= Field.OPTIONS; field++) {
    if (!startOf(field)) continue;
    to = writeByte(to, separator);
    to = writeText(to, dnsKey(field));
    to = writeBytes(to, startOf(field), endOf(field));
    separator = Character.COMMA;
  }
  if (separator == Character.OPEN_BRACE) to = writeByte(to, separator);
  return writeByte(to, Character.CLOSE_BRACE);
}

function dnsKey(field: Field): string {
  if (field == Field.NAMESERVERS) return '"nameservers":';
  if (field == Field.DOMAIN) return '"domain":';
  return field == Field.SEARCH ? '"search":' : '"options":';
}

/** Do the DNS settings read last say anything? */
export function isDnsEmpty(): bool {
  for (let field = Field.NAMESERVERS; field <= Field.OPTIONS; field++) if (startOf(field)) return false;
  return true;
}
