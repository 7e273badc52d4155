/**
 * IPv4 and IPv6 addresses and CIDRs: parse, check and print over bytes, without allocation.
 *
 * Text is read up to the first byte that cannot belong to it, so the byte after the text must be readable and must not
 * be a digit, a letter, a dot, a colon or a slash: the closing quote of a JSON string, or a byte put there by the caller.
 *
 * Accepts the addresses that Go's net.ParseIP and net.ParseCIDR accept, as CNI plugins in Go are checked by them: no
 * leading zeros in IPv4, no zone in IPv6. One exception: a prefix length has no leading zeros here.
 */

import { Character } from "../json/characters";
import { writeByte, writeDecimal } from "../json/write";

/** The longest address printed: eight groups of four hexadecimal digits. */
export const LONGEST_ADDRESS: usize = 39;

/** Family of the address that scanAddress or scanCidr has just read: 4 or 6. An IPv4 address in IPv6 clothes (::ffff:a.b.c.d) counts as 4. */
export let family: i32 = 0;
/** Prefix length of the CIDR that scanCidr has just read, in bits of its family. */
export let prefixLength: i32 = 0;
/** The slash of the CIDR that scanCidr has just read. */
export let slash: usize = 0;
/** The text is how Go prints it: it can be copied as it is. */
export let isCanonical: bool = false;

/** The groups of the address that was read last, if it was written as IPv6: 16 bits each, the first one first. */
const groups: usize = memory.data(16, 16);

/** A bit for each of 16 bytes that is this one. */
@inline
function equalTo(bytes: v128, byte: i8): i32 {
  return i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(byte)));
}

/** A bit for each of 16 bytes that is above this one. */
@inline
function above(bytes: v128, byte: i8): i32 {
  return i8x16.bitmask(i8x16.gt_u(bytes, i8x16.splat(byte)));
}

/** Checks dotted IPv4 text at `at`, all of it at once: it has 15 bytes at the most. Returns where it ends, or 0 if it is none. */
@inline
function checkIPv4(at: usize): usize {
  const bytes = v128.load(at);
  const allDots = equalTo(bytes, Character.DOT);
  const allDigits = i8x16.bitmask(i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(Character.ZERO)), i8x16.splat(10)));
  const end = ctz(~(allDots | allDigits));
  const inside = (1 << end) - 1;
  const dots = allDots & inside;
  const digits = allDigits & inside;
  // Where a number starts, and where it has ended: neither at the same place, nor four digits in a row.
  const starts = (dots << 1) | 1;
  const ends = dots | (1 << end);
  const threeDigits = digits & (digits >> 1) & (digits >> 2);
  if (popcnt(dots) != 3 || (starts & ends) != 0 || (threeDigits & (digits >> 3)) != 0) return 0;
  // No zero before other digits.
  if ((equalTo(bytes, Character.ZERO) & starts & ~(ends >> 1)) != 0) return 0;
  if (threeDigits != 0) {
    // Three digits, above 255: 3xx, 26x, 256.
    const aboveFive = above(bytes, 0x35);
    const aboveLimit = (aboveFive >> 1) | (equalTo(bytes, 0x35) >> 1 & aboveFive >> 2);
    if ((threeDigits & (above(bytes, 0x32) | (equalTo(bytes, 0x32) & aboveLimit))) != 0) return 0;
  }
  return at + end;
}

/** Value of valid dotted IPv4 text. */
function valueOfIPv4(at: usize): u32 {
  let value: u32 = 0;
  let part: u32 = 0;
  while (true) {
    const byte: u32 = load<u8>(at++);
    if (byte - Character.ZERO <= 9) {
      part = part * 10 + (byte - Character.ZERO);
    } else {
      value = (value << 8) | part;
      part = 0;
      if (byte != Character.DOT) return value;
    }
  }
}

/** Value of a hexadecimal digit, or anything above 15. */
@inline
function hexValue(byte: u32): u32 {
  const digit = byte - Character.ZERO;
  if (digit <= 9) return digit;
  const letter = (byte | 0x20) - 0x61;
  return letter <= 5 ? letter + 10 : 255;
}

/** Group `index` (0 the first) of the IPv6 address that was read last. */
@inline
function groupAt(index: i32): u32 {
  return load<u16>(groups + (index << 1));
}

@inline
function setGroup(index: i32, value: u32): void {
  store<u16>(groups + (index << 1), value);
}

/** Reads IPv6 text at `at` into `groups`. Returns where it ends, or 0 if it is none. */
function scanIPv6(at: usize): usize {
  let count = 0;
  let gap = -1; // number of groups before "::"

  if (load<u8>(at) == Character.COLON) {
    if (load<u8>(at, 1) != Character.COLON) return 0;
    gap = 0;
    at += 2;
  }
  while (count < 8) {
    let value = hexValue(load<u8>(at));
    if (value > 15) {
      if (gap == count) break; // "::" at the end
      return 0;
    }
    const start = at;
    at += 1;
    for (let digits = 1; ; digits++) {
      const digit = hexValue(load<u8>(at));
      if (digit > 15) break;
      if (digits == 4) return 0;
      value = (value << 4) | digit;
      at += 1;
    }
    if (load<u8>(at) == Character.DOT) {
      // The last 32 bits may be written as IPv4.
      if (count > 6 || (gap < 0 && count != 6)) return 0;
      at = checkIPv4(start);
      if (at == 0) return 0;
      const last = valueOfIPv4(start);
      setGroup(count++, last >> 16);
      setGroup(count++, last & 0xffff);
      break;
    }
    setGroup(count++, value);
    if (count == 8 || load<u8>(at) != Character.COLON) break;
    at += 1;
    if (load<u8>(at) == Character.COLON) {
      if (gap >= 0) return 0;
      gap = count;
      at += 1;
    }
  }
  if (gap < 0) return count == 8 ? at : 0;
  if (count == 8) return 0; // "::" stands for one group at the least
  // The groups after the gap move to the end.
  const missing = 8 - count;
  for (let index = 7; index >= gap; index--) setGroup(index, index - missing >= gap ? groupAt(index - missing) : 0);
  return at;
}

/** Tells IPv4 from IPv6: whichever of dot and colon comes first. */
@inline
function looksLikeIPv4(at: usize): bool {
  // The second, third or fourth byte of an IPv4 address is its first dot.
  return (
    load<u8>(at, 1) == Character.DOT ||
    (<u32>load<u8>(at, 1) - Character.ZERO <= 9 &&
      (load<u8>(at, 2) == Character.DOT || (<u32>load<u8>(at, 2) - Character.ZERO <= 9 && load<u8>(at, 3) == Character.DOT)))
  );
}

/**
 * Reads an IPv4 or IPv6 address at `at`. Sets `family` and `isCanonical`.
 * Returns where it ends, or 0 if it is none.
 */
export function scanAddress(at: usize): usize {
  return looksLikeIPv4(at) ? takeIPv4(at) : takeIPv6(at);
}

@inline
function takeIPv4(at: usize): usize {
  family = 4;
  isCanonical = true;
  return checkIPv4(at);
}

function takeIPv6(at: usize): usize {
  isCanonical = false;
  const end = scanIPv6(at);
  // ::ffff:a.b.c.d
  family = load<u64>(groups) == 0 && load<u32>(groups, 8) == 0xffff_0000 ? 4 : 6;
  return end;
}

/**
 * Reads an address with a prefix length ("10.0.0.5/16") at `at`. Sets `family`, `prefixLength`, `slash` and `isCanonical`.
 * Returns where it ends, or 0 if it is none.
 */
export function scanCidr(at: usize): usize {
  const isPlain = looksLikeIPv4(at);
  at = isPlain ? takeIPv4(at) : takeIPv6(at);
  if (at == 0 || load<u8>(at) != Character.SLASH) return 0;
  slash = at;
  let length = <u32>load<u8>(at, 1) - Character.ZERO;
  if (length > 9) return 0;
  at += 2;
  let digit = <u32>load<u8>(at) - Character.ZERO;
  if (digit <= 9) {
    if (length == 0) return 0;
    length = length * 10 + digit;
    at += 1;
    digit = <u32>load<u8>(at) - Character.ZERO;
    if (digit <= 9) {
      length = length * 10 + digit;
      at += 1;
    }
  }
  if (length > (isPlain ? <u32>32 : <u32>128)) return 0;
  // Of a mask over ::ffff:a.b.c.d Go prints what falls on the last 32 bits.
  if (!isPlain && family == 4) length = length > 96 ? length - 96 : 0;
  prefixLength = length;
  return at;
}

/**
 * Writes the valid address at `text` as Go prints it: RFC 5952, and IPv4 as IPv4. At most LONGEST_ADDRESS bytes, and 16 may be
 * overwritten.
 * Returns where it ends.
 */
export function writeAddress(out: usize, text: usize): usize {
  const end = scanAddress(text);
  if (!isCanonical) return printAddress(out);
  v128.store(out, v128.load(text));
  return out + (end - text);
}

/**
 * Writes the valid CIDR at `text` as Go prints it. At most LONGEST_ADDRESS + 4 bytes, and 16 may be overwritten.
 * Returns where it ends.
 */
export function writeCidr(out: usize, text: usize): usize {
  scanCidr(text);
  const length = prefixLength;
  out = writeAddress(out, text);
  return writeDecimal(writeByte(out, Character.SLASH), length);
}

/** Writes the address that takeIPv6 has read last. */
function printAddress(out: usize): usize {
  if (family == 4) {
    for (let index = 6; index < 8; index++) {
      const group = groupAt(index);
      out = writeByte(writeDecimal(out, group >> 8), Character.DOT);
      out = writeByte(writeDecimal(out, group & 0xff), Character.DOT);
    }
    return out - 1;
  }
  // The longest run of two or more zero groups, the first of equals, becomes "::".
  let gapStart = -1;
  let gapLength = 1;
  for (let index = 0; index < 8; ) {
    let run = index;
    while (run < 8 && groupAt(run) == 0) run++;
    if (run - index > gapLength) {
      gapStart = index;
      gapLength = run - index;
    }
    index = run + 1;
  }
  for (let index = 0; index < 8; index++) {
    if (index == gapStart) {
      store<u16>(out, 0x3a3a);
      out += 2;
      index += gapLength - 1;
      continue;
    }
    if (index != 0 && index != gapStart + gapLength) out = writeByte(out, Character.COLON);
    const group = groupAt(index);
    let shift = 12;
    while (shift > 0 && group >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) {
      const digit = (group >> shift) & 15;
      out = writeByte(out, digit < 10 ? Character.ZERO + digit : 0x57 + digit);
    }
  }
  return out;
}
