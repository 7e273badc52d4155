/**
 * Writing JSON text. Every function takes the address to write at and returns the address after what it wrote; up to 15 bytes
 * beyond that may be overwritten. Room must have been made before (`allocate`, `ensure`).
 */

import { Character } from "./characters";

/** Copies bytes; the two ranges do not overlap. */
@inline
export function writeBytes(to: usize, start: usize, end: usize): usize {
  const length = end - start;
  if (length > 256) {
    memory.copy(to, start, length);
  } else {
    for (let offset: usize = 0; offset < length; offset += 16)
      v128.store(to + offset, v128.load(start + offset));
  }
  return to + length;
}

@inline
export function writeByte(to: usize, byte: u32): usize {
  store<u8>(to, byte);
  return to + 1;
}

/**
 * Writes text of the program's own.
 * @param text ASCII
 */
export function writeText(to: usize, text: string): usize {
  const length = <usize>text.length;
  const from = changetype<usize>(text);
  for (let offset: usize = 0; offset < length; offset += 8) {
    const units = v128.load(from + (offset << 1));
    v128.store64_lane(to + offset, i8x16.narrow_i16x8_u(units, units), 0);
  }
  return to + length;
}

/** Writes bytes that are text in UTF-8 as a JSON string. It takes at most 6 times the bytes, and two. */
export function writeString(to: usize, start: usize, end: usize): usize {
  store<u8>(to++, Character.QUOTE);
  for (let p = start; p < end; p++) {
    const byte: u32 = load<u8>(p);
    if (byte == Character.QUOTE || byte == Character.BACKSLASH) {
      store<u8>(to, Character.BACKSLASH);
      store<u8>(to, byte, 1);
      to += 2;
    } else if (byte >= Character.SPACE) {
      store<u8>(to++, byte);
    } else {
      // "\u00"
      store<u32>(to, 0x3030755c);
      store<u8>(to, Character.ZERO + (byte >> 4), 4);
      const digit = byte & 15;
      store<u8>(to, digit < 10 ? Character.ZERO + digit : 0x57 + digit, 5);
      to += 6;
    }
  }
  store<u8>(to, Character.QUOTE);
  return to + 1;
}

/** Writes a number in decimal digits: at most 20. */
export function writeDecimal(to: usize, value: u64): usize {
  let digits: usize = 1;
  for (let rest = value / 10; rest != 0; rest /= 10) digits++;
  for (let p = to + digits; p > to; value /= 10) store<u8>(--p, Character.ZERO + <u8>(value % 10));
  return to + digits;
}
