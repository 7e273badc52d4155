/** The fields of a CNI result and of the objects in it: their keys, and where they are in the objects that were read last. */

import { Character } from "../json/characters";
import { skipBlanks, skipString } from "../json/scan";
import { fail } from "../memory";
import { Status } from "../status";
import { keyText, unescape } from "./escapes";

/** The kind of an object, which decides the keys that are known in it. */
export const enum Kind {
  RESULT,
  /** `ip4` or `ip6` of a result of 0.1.0 and 0.2.0. */
  FAMILY,
  /** An element of `interfaces` below 1.0.0, and from there on. */
  OLD_INTERFACE,
  INTERFACE,
  /** An element of `ips` below 1.0.0, and from there on. */
  OLD_IP,
  IP,
  ROUTE,
  DNS,
}

/** The known fields of all kinds of objects. Each has a slot of its own in the table of spans. */
export const enum Field {
  UNKNOWN = 0,

  CNI_VERSION = 1,
  INTERFACES,
  IPS,
  ROUTES,
  DNS,
  IP4,
  IP6,

  NAME = 8,
  MAC,
  SANDBOX,
  MTU,
  SOCKET_PATH,
  PCI_ID,

  /** `address`, and `ip` of the old shape. */
  ADDRESS = 16,
  GATEWAY,
  INTERFACE,
  VERSION,
  /** `routes` of ip4 and ip6. Its span goes from the value back to the key. */
  FAMILY_ROUTES,

  DST = 24,
  GW,
  ROUTE_MTU,
  ADVMSS,
  PRIORITY,
  TABLE,
  SCOPE,

  NAMESERVERS = 32,
  DOMAIN,
  SEARCH,
  OPTIONS,
}

/** Where each field of the objects read last is: start and end, 32 bits each; 0 if it is missing, null or empty. */
const spans: usize = memory.data(36 * 8, 16);

/** Field whose key readField has just read, and where that key is: its opening quote. */
export let field: Field = Field.UNKNOWN;
export let fieldKey: usize = 0;

/** Where a field of the object read last begins; 0 if it is missing, null or empty. Addresses have no quotes, other strings do. */
@inline
export function startOf(field: Field): usize {
  return <usize>load<u32>(spans + (field << 3));
}

/** Where a field of the object read last ends. */
@inline
export function endOf(field: Field): usize {
  return <usize>load<u32>(spans + (field << 3), 4);
}

@inline
export function setSpan(field: Field, start: usize, end: usize): void {
  store<u64>(spans + (field << 3), <u64>start | (<u64>end << 32));
}

/** Forgets two neighbouring fields, the first of them with an even number. */
@inline
export function forgetTwo(field: Field): void {
  v128.store(spans + (field << 3), i64x2.splat(0));
}

// The keys below are little-endian numbers, each with its closing quote.

/** A field found by its key: the field, and above it the length of the key with its closing quote. */
@inline
function found(field: Field, length: i32): i32 {
  return field | (length << 8);
}

/**
 * Finds the field whose key begins at `p` (after the opening quote): see `found`; 0 if none does. A key is eight bytes or fewer with
 * its quote, or is looked at in two pieces. That the length comes with the answer, and not from looking for the quote, lets the
 * processor go on before the answer is there.
 */
@inline
function fieldAt(p: usize, kind: Kind): i32 {
  const word = load<u64>(p);
  const upToSeven = word & 0xff_ffff_ffff_ffff;
  const upToSix = word & 0xffff_ffff_ffff;
  const upToFour = <u32>word;
  switch (kind) {
    case Kind.OLD_IP:
    case Kind.IP:
      if (word == 0x22_73_73_65_72_64_64_61) return found(Field.ADDRESS, 8); // address
      if (word == 0x63_61_66_72_65_74_6e_69 && load<u16>(p, 8) == 0x22_65) return found(Field.INTERFACE, 10); // interface
      if (word == 0x22_79_61_77_65_74_61_67) return found(Field.GATEWAY, 8); // gateway
      if (kind == Kind.OLD_IP && word == 0x22_6e_6f_69_73_72_65_76) return found(Field.VERSION, 8); // version
      return 0;
    case Kind.ROUTE:
      if (upToFour == 0x22_74_73_64) return found(Field.DST, 4); // dst
      if ((upToFour & 0xff_ffff) == 0x22_77_67) return found(Field.GW, 3); // gw
      if (upToFour == 0x22_75_74_6d) return found(Field.ROUTE_MTU, 4); // mtu
      if (upToSeven == 0x22_73_73_6d_76_64_61) return found(Field.ADVMSS, 7); // advmss
      if (word == 0x79_74_69_72_6f_69_72_70 && load<u8>(p, 8) == Character.QUOTE) return found(Field.PRIORITY, 9); // priority
      if (upToSix == 0x22_65_6c_62_61_74) return found(Field.TABLE, 6); // table
      if (upToSix == 0x22_65_70_6f_63_73) return found(Field.SCOPE, 6); // scope
      return 0;
    case Kind.OLD_INTERFACE:
    case Kind.INTERFACE:
      if ((word & 0xff_ffff_ffff) == 0x22_65_6d_61_6e) return found(Field.NAME, 5); // name
      if (upToFour == 0x22_63_61_6d) return found(Field.MAC, 4); // mac
      if (word == 0x22_78_6f_62_64_6e_61_73) return found(Field.SANDBOX, 8); // sandbox
      if (kind == Kind.OLD_INTERFACE) return 0;
      if (upToFour == 0x22_75_74_6d) return found(Field.MTU, 4); // mtu
      if (upToSix == 0x22_44_49_69_63_70) return found(Field.PCI_ID, 6); // pciID
      if (word == 0x61_50_74_65_6b_63_6f_73 && endsWith(p, 0x22_68_74)) return found(Field.SOCKET_PATH, 11); // socketPath
      return 0;
    case Kind.RESULT:
      if (upToFour == 0x22_73_70_69) return found(Field.IPS, 4); // ips
      if (upToSeven == 0x22_73_65_74_75_6f_72) return found(Field.ROUTES, 7); // routes
      if (upToFour == 0x22_73_6e_64) return found(Field.DNS, 4); // dns
      if (word == 0x69_73_72_65_56_69_6e_63 && endsWith(p, 0x22_6e_6f)) return found(Field.CNI_VERSION, 11); // cniVersion
      if (word == 0x63_61_66_72_65_74_6e_69 && endsWith(p, 0x22_73_65)) return found(Field.INTERFACES, 11); // interfaces
      if (upToFour == 0x22_34_70_69) return found(Field.IP4, 4); // ip4
      if (upToFour == 0x22_36_70_69) return found(Field.IP6, 4); // ip6
      return 0;
    case Kind.FAMILY:
      if ((upToFour & 0xff_ffff) == 0x22_70_69) return found(Field.ADDRESS, 3); // ip
      if (word == 0x22_79_61_77_65_74_61_67) return found(Field.GATEWAY, 8); // gateway
      if (upToSeven == 0x22_73_65_74_75_6f_72) return found(Field.FAMILY_ROUTES, 7); // routes
      return 0;
    default:
      if (word == 0x76_72_65_73_65_6d_61_6e && load<u32>(p, 8) == 0x22_73_72_65) return found(Field.NAMESERVERS, 12); // nameservers
      if (upToSeven == 0x22_6e_69_61_6d_6f_64) return found(Field.DOMAIN, 7); // domain
      if (upToSeven == 0x22_68_63_72_61_65_73) return found(Field.SEARCH, 7); // search
      if (word == 0x22_73_6e_6f_69_74_70_6f) return found(Field.OPTIONS, 8); // options
      return 0;
  }
}

/** Are these the three bytes after the first eight? */
@inline
function endsWith(p: usize, bytes: u32): bool {
  return (load<u32>(p, 8) & 0xff_ffff) == bytes;
}

/**
 * Reads a key of an object and sets `field`.
 * @param p its opening quote, as enterObject and nextMember return it
 * @returns the first byte of the member's value
 */
@inline
export function readField(p: usize, kind: Kind): usize {
  fieldKey = p;
  let known = fieldAt(p + 1, kind);
  let end = p + 1 + <usize>(known >> 8);
  if (!known) {
    end = skipString(p);
    if (!end) return 0;
    known = escapedFieldAt(p, end, kind);
  }
  field = known & 0xff;
  if (load<u8>(end) != Character.COLON) {
    end = skipBlanks(end);
    if (load<u8>(end) != Character.COLON) return fail(Status.EXPECTED_COLON, end);
  }
  return skipBlanks(end + 1);
}

/** The same as fieldAt for a key that may have escapes. */
function escapedFieldAt(p: usize, end: usize, kind: Kind): i32 {
  return unescape(keyText, p, end) ? fieldAt(keyText, kind) : 0;
}
