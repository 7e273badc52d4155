/** Edits of default routes: which are removed and which are added. */

import { Character } from "../json/characters";
import { writeByte, writeText } from "../json/write";
import { ensure, fail } from "../memory";
import { family, LONGEST_ADDRESS, scanAddress, writeAddress } from "../net/address";
import { Status } from "../status";
import { addressFamily, addressIsDefault } from "./readers";

/** The edits that are asked for, bit by bit: any at all; default routes of IPv4, of IPv6 removed. The host has the same numbers. */
const EDIT: i32 = 1;
const REMOVE_IPV4: i32 = 2;
const REMOVE_IPV6: i32 = 4;

/** Bytes of one added route, at most. */
const ADDED_ROUTE: usize = 40 + LONGEST_ADDRESS;

let flags: i32 = 0;

/** The array of gateways to add: its opening bracket. */
let gateways: usize = 0;

/** Routes to add of each family. */
let added4: i32 = 0;
let added6: i32 = 0;

/**
 * Takes the edits of a call.
 * @param array gateways to add as a JSON array of strings, without blanks, if there are any
 */
export function takeEdits(editFlags: i32, array: usize, length: usize): bool {
  flags = editFlags;
  gateways = array;
  added4 = 0;
  added6 = 0;
  if (length == 0) return true;
  let p = array + 1;
  while (load<u8>(p) == Character.QUOTE) {
    const end = scanAddress(p + 1);
    if (!end || load<u8>(end) != Character.QUOTE) {
      fail(Status.NOT_AN_ADDRESS, p);
      return false;
    }
    if (family == 4) added4++;
    else added6++;
    // A quote, and a comma or the bracket.
    p = end + 2;
  }
  return true;
}

/** Is anything asked for? */
export function areThereEdits(): bool {
  return (flags & EDIT) != 0;
}

/** Is the route read last removed? */
export function isRemoved(): bool {
  return addressIsDefault && (flags & (addressFamily == 4 ? REMOVE_IPV4 : REMOVE_IPV6)) != 0;
}

/** How many routes are added: of one family, or of both (0). */
export function addedCount(ofFamily: i32): i32 {
  return (ofFamily != 6 ? added4 : 0) + (ofFamily != 4 ? added6 : 0);
}

/**
 * Prints the added routes, of one family or of both (0), as elements of a list.
 * @param isFirst whether the list has no element yet
 * @returns the address after them; 0 if there is no memory left
 */
export function writeAdded(to: usize, ofFamily: i32, isFirst: bool): usize {
  if (addedCount(ofFamily) == 0) return to;
  let p = gateways + 1;
  while (load<u8>(p) == Character.QUOTE) {
    if (!ensure(to + ADDED_ROUTE)) return 0;
    const text = p + 1;
    p = scanAddress(text) + 2;
    if (ofFamily != 0 && ofFamily != family) continue;
    if (!isFirst) to = writeByte(to, Character.COMMA);
    isFirst = false;
    to = writeText(to, family == 4 ? '{"dst":"0.0.0.0/0","gw":"' : '{"dst":"::/0","gw":"');
    to = writeText(writeAddress(to, text), '"}');
  }
  return to;
}
