/**
 * IPv4 and IPv6 addresses and CIDRs: parse, check and print over bytes, without allocation.
 *
 * Text is read up to the first byte that cannot belong to it, so the byte after the text must be readable and must not
 * be a digit, a letter, a dot, a colon or a slash: the closing quote of a JSON string, or a byte put there by the caller.
 *
 * Accepts the addresses that Go's net.ParseIP and net.ParseCIDR accept, as CNI plugins in Go are checked by them: no
 * leading zeros in IPv4, no zone in IPv6. One exception: a prefix length has no leading zeros here.
 */

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

/** Upper and lower half of the address that was read last, if it was written as IPv6. */
let upper: u64 = 0;
let lower: u64 = 0;

const DOT: u32 = 0x2e;
const SLASH: u32 = 0x2f;
const COLON: u32 = 0x3a;
const ZERO: u32 = 0x30;

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
  const allDots = equalTo(bytes, <i8>DOT);
  const allDigits = i8x16.bitmask(i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(<i8>ZERO)), i8x16.splat(10)));
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
  if ((equalTo(bytes, <i8>ZERO) & starts & ~(ends >> 1)) != 0) return 0;
  if (threeDigits != 0) {
    // Three digits, above 255: 3xx, 26x, 256.
    const aboveFive = above(bytes, 0x35);
    const aboveLimit = (aboveFive >> 1) | (equalTo(bytes, 0x35) >> 1 & aboveFive >> 2);
    if ((threeDigits & (above(bytes, 0x32) | (equalTo(bytes, 0x32) & aboveLimit))) != 0) return 0;
  }
  return at + end;
}

/** Value of valid dotted IPv4 text. */
function valueOfIPv4(at: usize): u64 {
  let value: u64 = 0;
  let part: u64 = 0;
  while (true) {
    const byte: u32 = load<u8>(at);
    if (byte == DOT) {
      value = (value << 8) | part;
      part = 0;
    } else if (byte - ZERO > 9) {
      return (value << 8) | part;
    } else {
      part = part * 10 + (byte - ZERO);
    }
    at++;
  }
}

/** Value of a hexadecimal digit, or anything above 15. */
@inline
function hexValue(byte: u32): u32 {
  const digit = byte - ZERO;
  if (digit <= 9) return digit;
  const letter = (byte | 0x20) - 0x61;
  return letter <= 5 ? letter + 10 : 255;
}

/** Reads IPv6 text at `at` into `upper` and `lower`. Returns where it ends, or 0 if it is none. */
function scanIPv6(at: usize): usize {
  let head: u64 = 0; // the groups before the sixteenth byte, as they are read: 128 bits shifted left by 16 a group
  let tail: u64 = 0;
  let groups = 0;
  let gap = -1; // number of groups before "::"

  if (<u32>load<u8>(at) == COLON) {
    if (<u32>load<u8>(at, 1) != COLON) return 0;
    gap = 0;
    at += 2;
  }
  while (groups < 8) {
    let value = hexValue(load<u8>(at));
    if (value > 15) {
      if (gap == groups) break; // "::" at the end
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
    if (<u32>load<u8>(at) == DOT) {
      // The last 32 bits may be written as IPv4.
      if (groups > 6 || (gap < 0 && groups != 6)) return 0;
      at = checkIPv4(start);
      if (at == 0) return 0;
      head = (head << 32) | (tail >> 32);
      tail = (tail << 32) | valueOfIPv4(start);
      groups += 2;
      break;
    }
    head = (head << 16) | (tail >> 48);
    tail = (tail << 16) | value;
    groups += 1;
    if (groups == 8 || <u32>load<u8>(at) != COLON) break;
    at += 1;
    if (<u32>load<u8>(at) == COLON) {
      if (gap >= 0) return 0;
      gap = groups;
      at += 1;
    }
  }
  if (gap < 0) {
    if (groups != 8) return 0;
  } else {
    if (groups == 8) return 0; // "::" stands for one group at the least
    // The groups after the gap stay where they are, those before it move to the front.
    const after = (groups - gap) << 4;
    const missing = (8 - groups) << 4;
    let afterHead: u64 = 0;
    let afterTail: u64 = tail;
    if (after < 64) {
      afterTail = tail & (((<u64>1) << after) - 1);
    } else if (after < 128) {
      afterHead = after == 64 ? 0 : head & (((<u64>1) << (after - 64)) - 1);
    }
    const beforeHead = head ^ afterHead;
    const beforeTail = tail ^ afterTail;
    if (missing >= 64) {
      head = missing == 128 ? 0 : beforeTail << (missing - 64);
      tail = 0;
    } else {
      head = (beforeHead << missing) | (beforeTail >> (64 - missing));
      tail = beforeTail << missing;
    }
    head |= afterHead;
    tail |= afterTail;
  }
  upper = head;
  lower = tail;
  return at;
}

/** Tells IPv4 from IPv6: whichever of dot and colon comes first. */
@inline
function looksLikeIPv4(at: usize): bool {
  // The second, third or fourth byte of an IPv4 address is its first dot.
  return (
    <u32>load<u8>(at, 1) == DOT ||
    (<u32>load<u8>(at, 1) - ZERO <= 9 &&
      (<u32>load<u8>(at, 2) == DOT || (<u32>load<u8>(at, 2) - ZERO <= 9 && <u32>load<u8>(at, 3) == DOT)))
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
  family = upper == 0 && lower >>> 32 == 0xffff ? 4 : 6;
  return end;
}

/**
 * Reads an address with a prefix length ("10.0.0.5/16") at `at`. Sets `family`, `prefixLength`, `slash` and `isCanonical`.
 * Returns where it ends, or 0 if it is none.
 */
export function scanCidr(at: usize): usize {
  const isPlain = looksLikeIPv4(at);
  at = isPlain ? takeIPv4(at) : takeIPv6(at);
  if (at == 0 || <u32>load<u8>(at) != SLASH) return 0;
  slash = at;
  let length = <u32>load<u8>(at, 1) - ZERO;
  if (length > 9) return 0;
  at += 2;
  let digit = <u32>load<u8>(at) - ZERO;
  if (digit <= 9) {
    if (length == 0) return 0;
    length = length * 10 + digit;
    at += 1;
    digit = <u32>load<u8>(at) - ZERO;
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

/** Writes a number below 1000 in decimal. Returns where it ends. */
function printSmall(number: u32, out: usize): usize {
  if (number >= 100) {
    store<u8>(out, ZERO + number / 100);
    number %= 100;
    store<u8>(out, ZERO + number / 10, 1);
    store<u8>(out, ZERO + (number % 10), 2);
    return out + 3;
  }
  if (number >= 10) {
    store<u8>(out, ZERO + number / 10);
    store<u8>(out, ZERO + (number % 10), 1);
    return out + 2;
  }
  store<u8>(out, ZERO + number);
  return out + 1;
}

/** Group `index` (0 the first) of the IPv6 address in `upper` and `lower`. */
@inline
function groupAt(index: i32): u32 {
  const half = index < 4 ? upper : lower;
  return <u32>(half >> ((3 - (index & 3)) << 4)) & 0xffff;
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
  store<u8>(out, SLASH);
  return printSmall(length, out + 1);
}

/** Writes the address that takeIPv6 has read last. */
function printAddress(out: usize): usize {
  if (family == 4) {
    for (let shift = 24; shift >= 0; shift -= 8) {
      out = printSmall((<u32>lower >> shift) & 0xff, out);
      if (shift != 0) {
        store<u8>(out, DOT);
        out += 1;
      }
    }
    return out;
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
    if (index != 0 && index != gapStart + gapLength) {
      store<u8>(out, COLON);
      out += 1;
    }
    const group = groupAt(index);
    let started = false;
    for (let shift = 12; shift >= 0; shift -= 4) {
      const digit = (group >> shift) & 15;
      if (digit != 0 || started || shift == 0) {
        store<u8>(out, digit < 10 ? ZERO + digit : 0x57 + digit);
        out += 1;
        started = true;
      }
    }
  }
  return out;
}
