/** UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */

@inline
function isContinuation(byte: u32): bool {
  return (byte & 0xc0) == 0x80;
}

/**
 * Length in bytes of the sequence at `p`, whose first byte is 0x80 or above; 0 if it is not valid.
 * Reads no byte beyond the first that does not belong to the sequence.
 */
export function sequenceLength(p: usize): usize {
  const first: u32 = load<u8>(p);
  if (first < 0xc2) return 0;
  const second: u32 = load<u8>(p, 1);
  if (!isContinuation(second)) return 0;
  if (first < 0xe0) return 2;
  if (!isContinuation(load<u8>(p, 2))) return 0;
  if (first < 0xf0) {
    if (first == 0xe0 && second < 0xa0) return 0;
    if (first == 0xed && second > 0x9f) return 0;
    return 3;
  }
  if (first > 0xf4) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return isContinuation(load<u8>(p, 3)) ? 4 : 0;
}

/** Writes a code point (a surrogate as U+FFFD, as Go does) and returns the address after it. */
export function writeCodePoint(to: usize, codePoint: u32): usize {
  if (codePoint < 0x80) {
    store<u8>(to, codePoint);
    return to + 1;
  }
  if (codePoint < 0x800) {
    store<u8>(to, 0xc0 | (codePoint >> 6));
    store<u8>(to, 0x80 | (codePoint & 0x3f), 1);
    return to + 2;
  }
  if (codePoint < 0x10000) {
    const shown: u32 = (codePoint & 0xf800) == 0xd800 ? 0xfffd : codePoint;
    store<u8>(to, 0xe0 | (shown >> 12));
    store<u8>(to, 0x80 | ((shown >> 6) & 0x3f), 1);
    store<u8>(to, 0x80 | (shown & 0x3f), 2);
    return to + 3;
  }
  store<u8>(to, 0xf0 | (codePoint >> 18));
  store<u8>(to, 0x80 | ((codePoint >> 12) & 0x3f), 1);
  store<u8>(to, 0x80 | ((codePoint >> 6) & 0x3f), 2);
  store<u8>(to, 0x80 | (codePoint & 0x3f), 3);
  return to + 4;
}
