/**
 * Reader of the objects in a CNI result: walks once over an object as it is written, checks every field that the specification
 * knows, and notes where the fields are for the printers and editors.
 *
 * Functions take the address of a value's first byte and return the address after its last, or 0 after `fail`, as
 * the scanner's do.
 */

import { Character } from "../json/characters";
import { enterArray, enterObject, finish, isElement, isMember, isNull, leave, nextElement, nextMember, skipString, skipValue } from "../json/scan";
import { fail } from "../memory";
import { family, isCanonical, prefixLength, scanAddress, scanCidr } from "../net/address";
import { Status } from "../status";
import { gatewayText, keyText, unescape, valueText } from "./escapes";
import {
  endOf,
  Field,
  field,
  fieldKey,
  forgetTwo,
  Kind,
  readField,
  setSpan,
  startOf,
} from "./fields";
import { NO_VERSION, versionAt } from "./versions";

/** How many members `routes` the ip4 or ip6 object read last has. */
export let familyRoutesSeen: i32 = 0;

/** Of the address or route read last: family of `address`, `ip` or `dst`, and whether its prefix length is 0. */
export let addressFamily: i32 = 0;
export let addressIsDefault: bool = false;
/** Where it and the gateway are written. Their spans may be decoded copies. */
export let addressWritten: usize = 0;
export let gatewayWritten: usize = 0;
/** Are the texts as Go prints them? */
export let addressIsCanonical: bool = false;
export let gatewayIsCanonical: bool = false;
/** Place in `interfaces` of the address read last; NO_INTERFACE if it does not say. */
export let ipInterface: i64 = -1;
/** Plugins of 0.3.0 wrote this themselves where they meant none. */
export const NO_INTERFACE: i64 = -1;

/**
 * Reads an object and checks its known fields.
 * @param p its first byte; anything but an opening brace is refused
 * @param depth how many containers are open around it
 */
export function readObject(p: usize, kind: Kind, depth: i32): usize {
  if (load<u8>(p) != Character.OPEN_BRACE) return wrongType(Status.NOT_AN_OBJECT, p, depth);
  const start = p;
  forget(kind);
  p = enterObject(p);
  while (isMember(p)) {
    const value = readField(p, kind);
    p = nextMember(field == Field.UNKNOWN ? skipValue(value, depth + 1) : readValue(value, depth + 1));
  }
  if (!p) return 0;
  if (kind == Kind.ROUTE) {
    if (!startOf(Field.DST)) return fail(Status.MISSING, start, "dst");
  } else if (kind == Kind.IP || kind == Kind.OLD_IP || kind == Kind.FAMILY) {
    if (!startOf(Field.ADDRESS)) return fail(Status.MISSING, start, kind == Kind.FAMILY ? "ip" : "address");
  }
  return p + 1;
}

/** Forgets the fields of the object read before. */
function forget(kind: Kind): void {
  switch (kind) {
    case Kind.ROUTE:
      forgetTwo(Field.DST);
      forgetTwo(Field.ROUTE_MTU);
      forgetTwo(Field.PRIORITY);
      forgetTwo(Field.SCOPE);
      break;
    case Kind.IP:
    case Kind.OLD_IP:
    case Kind.FAMILY:
      forgetTwo(Field.ADDRESS);
      forgetTwo(Field.INTERFACE);
      forgetTwo(Field.FAMILY_ROUTES);
      ipInterface = NO_INTERFACE;
      familyRoutesSeen = 0;
      break;
    case Kind.DNS:
      forgetTwo(Field.NAMESERVERS);
      forgetTwo(Field.SEARCH);
      break;
    default:
      forgetTwo(Field.NAME);
      forgetTwo(Field.SANDBOX);
      forgetTwo(Field.SOCKET_PATH);
  }
}

/*
 * Inlined into readObject, all of what follows: with that a result is checked a fifth faster.
 */

/** Reads the value of `field`. */
@inline
function readValue(p: usize, depth: i32): usize {
  const known = field;
  switch (known) {
    case Field.ADDRESS:
    case Field.DST:
      return readCidr(p, known, depth);
    case Field.GATEWAY:
    case Field.GW:
      return readAddress(p, known, depth);
    case Field.INTERFACE:
    case Field.MTU:
    case Field.ROUTE_MTU:
    case Field.ADVMSS:
    case Field.PRIORITY:
    case Field.TABLE:
    case Field.SCOPE:
      return readInteger(p, known, depth);
    case Field.NAMESERVERS:
    case Field.SEARCH:
    case Field.OPTIONS:
      return readTexts(p, known, depth);
    case Field.FAMILY_ROUTES:
      // The readers of ip4 and ip6 go over their routes.
      familyRoutesSeen++;
      setSpan(known, p, fieldKey);
      return skipValue(p, depth);
    default:
      return readText(p, known, depth);
  }
}

/** A value of the wrong type: refused as such if it is JSON at all. */
export function wrongType(status: Status, p: usize, depth: i32): usize {
  return skipValue(p, depth) ? fail(status, p) : 0;
}

/** Refuses an input that is not an object, or not JSON at all. */
export function refuseInput(start: usize, end: usize): bool {
  const valueEnd = skipValue(start, 0);
  if (valueEnd && finish(valueEnd, end)) fail(Status.NOT_AN_OBJECT, start);
  return false;
}

/** Reads a string, or null. */
@inline
export function readText(p: usize, known: Field, depth: i32): usize {
  if (load<u8>(p) == Character.QUOTE) {
    const end = skipString(p);
    if (end == p + 2) setSpan(known, 0, 0);
    else setSpan(known, p, end);
    return end;
  }
  setSpan(known, 0, 0);
  return isNull(p) ? p + 4 : wrongType(Status.NOT_A_STRING, p, depth);
}

/** Reads an address with a prefix length. */
@inline
export function readCidr(p: usize, known: Field, depth: i32): usize {
  if (load<u8>(p) != Character.QUOTE) return wrongType(Status.NOT_A_CIDR, p, depth);
  let text = p + 1;
  let textEnd = scanCidr(text);
  let end = textEnd + 1;
  let canonical = isCanonical;
  if (!textEnd || load<u8>(textEnd) != Character.QUOTE) {
    end = skipString(p);
    if (!end) return 0;
    text = valueText;
    textEnd = unescape(text, p, end);
    if (!textEnd || scanCidr(text) != textEnd) return fail(Status.NOT_A_CIDR, p);
    canonical = isCanonical;
  }
  addressFamily = family;
  addressIsDefault = prefixLength == 0;
  addressIsCanonical = canonical;
  addressWritten = p;
  setSpan(known, text, textEnd);
  return end;
}

/** Reads an address; null and an empty string are none. */
@inline
export function readAddress(p: usize, known: Field, depth: i32): usize {
  if (load<u8>(p) != Character.QUOTE) {
    setSpan(known, 0, 0);
    return isNull(p) ? p + 4 : wrongType(Status.NOT_AN_ADDRESS, p, depth);
  }
  let text = p + 1;
  let textEnd = scanAddress(text);
  let end = textEnd + 1;
  if (!textEnd || load<u8>(textEnd) != Character.QUOTE) {
    end = skipString(p);
    if (!end) return 0;
    if (end == p + 2) {
      setSpan(known, 0, 0);
      return end;
    }
    text = gatewayText;
    textEnd = unescape(text, p, end);
    if (!textEnd || scanAddress(text) != textEnd) return fail(Status.NOT_AN_ADDRESS, p);
  }
  gatewayIsCanonical = isCanonical;
  gatewayWritten = p;
  setSpan(known, text, textEnd);
  return end;
}

/** Reads an integer of 64 bits without fraction or exponent, or null. 0 counts as missing where Go leaves it out. */
@inline
function readInteger(p: usize, known: Field, depth: i32): usize {
  let at = p;
  const isNegative = load<u8>(at) == Character.MINUS;
  if (isNegative) at++;
  let value = <u64>load<u8>(at) - Character.ZERO;
  if (value > 9) {
    setSpan(known, 0, 0);
    if (known == Field.INTERFACE) ipInterface = NO_INTERFACE;
    return isNull(p) ? p + 4 : wrongType(Status.NOT_AN_INTEGER, p, depth);
  }
  at++;
  if (value != 0) {
    while (true) {
      const digit = <u64>load<u8>(at) - Character.ZERO;
      if (digit > 9) break;
      // Of negative ones there is one more.
      const most = <u64>i64.MAX_VALUE + <u64>isNegative;
      if (value > (most - digit) / 10) return wrongType(Status.NOT_AN_INTEGER, p, depth);
      value = value * 10 + digit;
      at++;
    }
  }
  const next: u32 = load<u8>(at);
  if (next == Character.DOT || (next | 0x20) == Character.LOWER_E) return wrongType(Status.NOT_AN_INTEGER, p, depth);
  if (known == Field.INTERFACE) ipInterface = isNegative ? -(<i64>value) : <i64>value;
  if (value == 0 && (known == Field.MTU || known == Field.ROUTE_MTU || known == Field.ADVMSS || known == Field.PRIORITY)) {
    setSpan(known, 0, 0);
  } else {
    setSpan(known, p, at);
  }
  return at;
}

/** Reads a list of strings, or null. Go's types take a null among them too. */
function readTexts(p: usize, known: Field, depth: i32): usize {
  setSpan(known, 0, 0);
  if (load<u8>(p) != Character.OPEN_BRACKET) {
    return isNull(p) ? p + 4 : wrongType(Status.NOT_AN_ARRAY, p, depth);
  }
  let at = enterArray(p);
  while (isElement(at)) {
    if (load<u8>(at) == Character.QUOTE) at = skipString(at);
    else at = isNull(at) ? at + 4 : wrongType(Status.NOT_A_STRING, at, depth + 1);
    at = nextElement(at);
    setSpan(known, p, at + 1);
  }
  return leave(at);
}

/** Number of the version that a string says: NO_VERSION if it is empty (start 0), UNKNOWN_VERSION if it is none. */
export function readVersion(start: usize, end: usize): i32 {
  if (!start) return NO_VERSION;
  return versionAt(unescape(keyText, start, end) ? keyText : start + 1);
}
