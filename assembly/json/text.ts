/** JSON strings: decoded, compared. */

import { Character } from "./characters";
import { keyEnd, keyStart } from "./scan";
import { writeCodePoint } from "./utf8";

@inline
function hexDigit(byte: u32): u32 {
  return byte <= Character.NINE ? byte - Character.ZERO : (byte | 0x20) - 0x57;
}

/** The four hexadecimal digits at `p`. */
function hexadecimal(p: usize): u32 {
  return (
    (hexDigit(load<u8>(p)) << 12) |
    (hexDigit(load<u8>(p, 1)) << 8) |
    (hexDigit(load<u8>(p, 2)) << 4) |
    hexDigit(load<u8>(p, 3))
  );
}

/**
 * Decodes a valid string up to its closing quote. The text is never longer than it was written. Half of a surrogate pair
 * becomes U+FFFD, as in Go.
 * @param to where the text goes; 15 bytes beyond it may be overwritten
 * @param p the byte after the opening quote
 * @returns the address after the text
 */
export function decodeText(to: usize, p: usize): usize {
  while (true) {
    const bytes = v128.load(p);
    v128.store(to, bytes);
    const stops = i8x16.bitmask(
      v128.or(
        i8x16.eq(bytes, i8x16.splat(Character.QUOTE)),
        i8x16.eq(bytes, i8x16.splat(Character.BACKSLASH)),
      ),
    );
    const plain: usize = stops ? <usize>ctz(stops) : 16;
    to += plain;
    p += plain;
    if (!stops) continue;
    if (load<u8>(p) == Character.QUOTE) return to;
    const kind: u32 = load<u8>(p, 1);
    p += 2;
    switch (kind) {
      case 0x62:
        store<u8>(to++, 0x08);
        break;
      case Character.LOWER_F:
        store<u8>(to++, 0x0c);
        break;
      case Character.LOWER_N:
        store<u8>(to++, Character.LINE_FEED);
        break;
      case 0x72:
        store<u8>(to++, Character.CARRIAGE_RETURN);
        break;
      case Character.LOWER_T:
        store<u8>(to++, Character.TAB);
        break;
      case Character.LOWER_U: {
        let codePoint = hexadecimal(p);
        p += 4;
        if ((codePoint & 0xfc00) == 0xd800 && load<u16>(p) == 0x755c) {
          const low = hexadecimal(p + 2);
          if ((low & 0xfc00) == 0xdc00) {
            codePoint = 0x10000 + ((codePoint & 0x3ff) << 10) + (low & 0x3ff);
            p += 6;
          }
        }
        to = writeCodePoint(to, codePoint);
        break;
      }
      default:
        store<u8>(to++, kind);
    }
  }
}

/** The value of `differences` for texts of different lengths. */
const OTHER_LENGTH: u64 = u64.MAX_VALUE;

/** The bits in which a text differs from one of the program's own, which is ASCII: eight bytes over each other; 0: it is this one. */
@inline
function differences(start: usize, end: usize, text: string): u64 {
  const length = <usize>text.length;
  if (end - start != length) return OTHER_LENGTH;
  const expected = changetype<usize>(text);
  let all: u64 = 0;
  for (let offset: usize = 0; offset < length; offset += 8) {
    const units = v128.load(expected + (offset << 1));
    let some = load<u64>(start + offset) ^ i64x2.extract_lane(i8x16.narrow_i16x8_u(units, units), 0);
    // Bytes behind the two texts do not count.
    if (length - offset < 8) some <<= (8 - (length - offset)) << 3;
    all |= some;
  }
  return all;
}

/**
 * Is the text from `start` up to `end` this one?
 * @param text ASCII
 */
export function textIs(start: usize, end: usize, text: string): bool {
  return !differences(start, end, text);
}

/**
 * Is the key that readKey read last this one?
 * @param text ASCII
 */
@inline
export function keyIs(text: string): bool {
  return textIs(keyStart, keyEnd, text);
}

/** Is the key that keyIsInAnyCase was last asked about written exactly so? */
export let keyIsExact: bool = false;

/** In each byte the bit in which a letter's two cases differ. */
const CASE_BITS: u64 = 0x2020202020202020;

/**
 * The same in any case: Go's encoding/json takes the keys of its types so. keyIsExact says which it was.
 * @param text ASCII letters only: of other characters that bit makes others
 */
export function keyIsInAnyCase(text: string): bool {
  const all = differences(keyStart, keyEnd, text);
  keyIsExact = !all;
  return !(all & ~CASE_BITS);
}
