/** Notes the addresses of a result, and the gateways of its default routes, while it is checked: network-status is made of them. */

import { writeByte, writeBytes } from "../json/write";
import { Character } from "../json/characters";
import { allocate, ensure, openEnd } from "../memory";
import { slash, writeAddress } from "../net/address";
import { endOf, Field, startOf } from "./fields";
import {
  addressIsCanonical,
  addressIsDefault,
  addressWritten,
  gatewayIsCanonical,
  gatewayWritten,
  ipInterface,
  NO_INTERFACE,
  readAddress,
  readCidr,
} from "./readers";

/** One address. Those of a list follow each other in memory. */
@unmanaged
export class Address {
  /** Its text without prefix length, where that can be copied as it is; else 0. */
  text: usize;
  textEnd: usize;
  /** Where it is written: the opening quote. */
  written: usize;
  /** Place in `interfaces`; NO_PLACE if it does not say; ELSEWHERE for what is no place in any list. */
  place: i32;
  hasGateway: u32;
  /** The next address of the same interface, 0 at the end; set where they are put in order. */
  next: usize;
}

/** The address does not say which interface has it. Plugins of 0.3.0 wrote -1 themselves where they meant none. */
export const NO_PLACE: i32 = -1;
/** The address names a place that no list has. */
export const ELSEWHERE: i32 = -2;

/** Size of an Address in bytes. */
export const ADDRESS_SIZE: usize = offsetof<Address>();

/** The addresses of `ips`, and the gateways of default routes: start and end of each list. */
export let addresses: usize = 0;
export let addressesEnd: usize = 0;
export let gateways: usize = 0;
export let gatewaysEnd: usize = 0;

/** The list in hand. */
let list: Field = Field.IPS;
let end: usize = 0;

/** Forgets what was noted of another result. */
export function forgetCollections(): void {
  addresses = 0;
  addressesEnd = 0;
  gateways = 0;
  gatewaysEnd = 0;
}

/** Starts a list: IPS or ROUTES. */
export function startCollection(field: Field): void {
  list = field;
  end = openEnd();
}

/** Notes the address read last. */
export function collectAddress(): bool {
  const address = note(addressWritten, addressIsCanonical, Field.ADDRESS, slash);
  if (address === null) return false;
  address.place = ipInterface == NO_INTERFACE ? NO_PLACE : placeOf(ipInterface);
  address.hasGateway = startOf(Field.GATEWAY) != 0;
  return true;
}

function placeOf(index: i64): i32 {
  return index < 0 || index > i32.MAX_VALUE ? ELSEWHERE : <i32>index;
}

/** Notes the gateway of the route read last, if that is a default route with a gateway. */
export function collectGateway(): bool {
  if (!addressIsDefault || !startOf(Field.GW)) return true;
  return note(gatewayWritten, gatewayIsCanonical, Field.GW, endOf(Field.GW)) !== null;
}

/** Null, after fail(), if there is no memory left. */
@inline
function note(written: usize, isCanonical: bool, field: Field, textEnd: usize): Address | null {
  if (!ensure(end + ADDRESS_SIZE)) return null;
  const address = changetype<Address>(end);
  address.text = isCanonical && startOf(field) == written + 1 ? written + 1 : 0;
  address.textEnd = textEnd;
  address.written = written;
  end += ADDRESS_SIZE;
  return address;
}

/** Ends the list. */
export function endCollection(): bool {
  const start = openEnd();
  if (list == Field.IPS) {
    addresses = start;
    addressesEnd = end;
  } else {
    gateways = start;
    gatewaysEnd = end;
  }
  return end == start || allocate(end - start) != 0;
}

/** Prints an address of `ips` without its prefix length, in quotes. */
export function writeAddressOf(address: Address, to: usize): usize {
  if (!address.text) readCidr(address.written, Field.ADDRESS, 0);
  return writeQuoted(address, startOf(Field.ADDRESS), to);
}

/** Prints a gateway, in quotes. */
export function writeGatewayOf(address: Address, to: usize): usize {
  if (!address.text) readAddress(address.written, Field.GW, 0);
  return writeQuoted(address, startOf(Field.GW), to);
}

/** @param read text of the address, where it cannot be copied */
function writeQuoted(address: Address, read: usize, to: usize): usize {
  to = writeByte(to, Character.QUOTE);
  to = address.text ? writeBytes(to, address.text, address.textEnd) : writeAddress(to, read);
  return writeByte(to, Character.QUOTE);
}
