/** Hardware addresses: check over bytes, without allocation. */

const COLON: u32 = 0x3a;
const DASH: u32 = 0x2d;
const DOT: u32 = 0x2e;

/** Places of the separators, and of the digits, in the first 16 bytes of `02:e5:13:9f:76:d9`. */
const SEPARATOR_PLACES: i32 = 0b0100_1001_0010_0100;
const DIGIT_PLACES: i32 = 0b1011_0110_1101_1011;

@inline
function isHexDigit(byte: u32): bool {
  return byte - 0x30 <= 9 || (byte | 0x20) - 0x61 <= 5;
}

/** Sixteen bytes at once: a bit for each that is a hexadecimal digit. */
@inline
function hexDigitMask(bytes: v128): i32 {
  const isDigit = v128.le<u8>(v128.sub<u8>(bytes, v128.splat<u8>(0x30)), v128.splat<u8>(9));
  const lowered = v128.or(bytes, v128.splat<u8>(0x20));
  const isLetter = v128.le<u8>(v128.sub<u8>(lowered, v128.splat<u8>(0x61)), v128.splat<u8>(5));
  return v128.bitmask<i8>(v128.or(isDigit, isLetter));
}

/**
 * Is the text a hardware address of 6, 8 or 20 bytes: `02:e5:13:9f:76:d9`, `02-e5-…` or `02e5.139f.76d9`, as Go's
 * net.ParseMAC takes them (InfiniBand has 20 bytes).
 */
export function isMac(start: usize, length: usize): bool {
  if (length == 17) {
    const bytes = v128.load(start);
    const separator = load<u8>(start, 2);
    if (
      (separator == COLON || separator == DASH) &&
      hexDigitMask(bytes) == DIGIT_PLACES &&
      v128.bitmask<i8>(v128.eq<u8>(bytes, v128.splat<u8>(separator))) == SEPARATOR_PLACES
    ) {
      return isHexDigit(load<u8>(start, 16));
    }
    return false;
  }
  if (length == 23 || length == 59) return isGrouped(start, length, 2);
  if (length == 14 || length == 19 || length == 49) return isGrouped(start, length, 4);
  return false;
}

/** Groups of `digits` hexadecimal digits with one separator between all of them: `:` or `-` between pairs, `.` between fours. */
function isGrouped(start: usize, length: usize, digits: usize): bool {
  const separator: u32 = load<u8>(start + digits);
  if (digits == 2 ? separator != COLON && separator != DASH : separator != DOT) return false;
  for (let index: usize = 0, place: usize = 0; index < length; index++) {
    const byte: u32 = load<u8>(start + index);
    if (place == digits) {
      if (byte != separator) return false;
      place = 0;
    } else {
      if (!isHexDigit(byte)) return false;
      place++;
    }
  }
  return true;
}
