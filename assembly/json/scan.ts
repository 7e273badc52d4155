/**
 * The validating JSON scanner (RFC 8259): moves an address over bytes and makes nothing of them.
 *
 * Every function takes the address of where something starts and returns the address after it, or 0 when the bytes are not
 * JSON; status and address of the offending byte are then in the header (see memory.ts). At address 0 there is a zero byte, which
 * JSON has nowhere: given a 0, every function returns 0, and the first failure is the one that is reported. So a failure need not
 * be looked at before the end of what is read. Inputs end with zero bytes (`terminate`): no function needs to know where the end is.
 *
 * An object is read like this (an array likewise, with enterArray, isElement and nextElement):
 *
 *     // `at`: its opening brace, looked at by the caller; `depth`: how many containers are open around it.
 *     let p = enterObject(at);
 *     while (isMember(p)) {
 *       const value = readKey(p);                // keyStart and keyEnd are the key now, decoded
 *       if (keyIs("mtu")) …
 *       p = nextMember(skipValue(value, depth + 1));
 *     }
 *     const objectEnd = leave(p);
 */

import { ensure, fail, failure, openEnd } from "../memory";
import { Status } from "../status";
import { Character } from "./characters";
import { decodeText } from "./text";
import { sequenceLength } from "./utf8";

/** Most containers open at once. */
const MAX_DEPTH: i32 = 10000;

/** The closing character of each container open in skipValue, one byte a level. */
const closings: usize = memory.data(10016, 16);

/** Whether a string scanned since this was last cleared has an escape in it. */
let escapeSeen: bool = false;

/** The key that readKey read last: its first byte, and the one after its last, decoded. Valid until the next readKey or allocation. */
export let keyStart: usize = 0;
export let keyEnd: usize = 0;

@inline
function isDigit(byte: u32): bool {
  return byte - Character.ZERO < 10;
}

/** Skips blanks, of which pretty-printed JSON has many in a row. */
@inline
export function skipBlanks(p: usize): usize {
  return <u32>load<u8>(p) > Character.SPACE ? p : skipBlankRun(p);
}

function skipBlankRun(p: usize): usize {
  // One blank is the most frequent, as in {"a": 1}.
  if (load<u8>(p) == Character.SPACE && <u32>load<u8>(p, 1) > Character.SPACE) return p + 1;
  while (true) {
    const bytes = v128.load(p);
    const blank = v128.or(
      v128.or(
        i8x16.eq(bytes, i8x16.splat(Character.SPACE)),
        i8x16.eq(bytes, i8x16.splat(Character.LINE_FEED)),
      ),
      v128.or(
        i8x16.eq(bytes, i8x16.splat(Character.TAB)),
        i8x16.eq(bytes, i8x16.splat(Character.CARRIAGE_RETURN)),
      ),
    );
    const others = i8x16.bitmask(blank) ^ 0xffff;
    if (others) return p + ctz(others);
    p += 16;
  }
}

/** Bit mask of the bytes that end a plain run of a string: quote, backslash, controls, and (being negative) all that is not ASCII. */
@inline
function stringStops(bytes: v128): i32 {
  return i8x16.bitmask(
    v128.or(
      i8x16.lt_s(bytes, i8x16.splat(Character.SPACE)),
      v128.or(
        i8x16.eq(bytes, i8x16.splat(Character.QUOTE)),
        i8x16.eq(bytes, i8x16.splat(Character.BACKSLASH)),
      ),
    ),
  );
}

/** The rest of a string: long ones, escapes, UTF-8. */
function skipStringFrom(p: usize): usize {
  while (true) {
    const stops = stringStops(v128.load(p));
    if (!stops) {
      p += 16;
      continue;
    }
    p += ctz(stops);
    const byte: u32 = load<u8>(p);
    if (byte == Character.QUOTE) return p + 1;
    if (byte == Character.BACKSLASH) {
      escapeSeen = true;
      const after = skipEscape(p);
      if (!after) return 0;
      p = after;
    } else if (byte >= 0x80) {
      do {
        const length = sequenceLength(p);
        if (!length) return fail(Status.BAD_UTF8, p);
        p += length;
      } while (load<u8>(p) >= 0x80);
    } else {
      return fail(Status.CONTROL_CHARACTER, p);
    }
  }
}

@inline
function isHexDigit(byte: u32): bool {
  return isDigit(byte) || (byte | 0x20) - 0x61 < 6;
}

/** Skips the escape whose backslash is at `p`. A surrogate without its other half is let through, as Go and JavaScript do. */
function skipEscape(p: usize): usize {
  const kind: u32 = load<u8>(p, 1);
  switch (kind) {
    case Character.QUOTE:
    case Character.BACKSLASH:
    case Character.SLASH:
    case 0x62: // b
    case Character.LOWER_F:
    case Character.LOWER_N:
    case 0x72: // r
    case Character.LOWER_T:
      return p + 2;
    case Character.LOWER_U: {
      for (let digit = p + 2; digit < p + 6; digit++) {
        if (!isHexDigit(load<u8>(digit))) return fail(Status.BAD_ESCAPE, digit);
      }
      return p + 6;
    }
    default:
      return fail(Status.BAD_ESCAPE, p + 1);
  }
}

/**
 * Skips a string.
 * @param p address of its opening quote (which has been looked at)
 */
@inline
export function skipString(p: usize): usize {
  const stops = stringStops(v128.load(++p));
  if (!stops) return skipStringFrom(p + 16);
  p += ctz(stops);
  return load<u8>(p) == Character.QUOTE ? p + 1 : skipStringFrom(p);
}

/** Skips a number: `p` is at a digit or a minus sign. */
@inline
function skipNumber(p: usize): usize {
  let byte: u32 = load<u8>(p);
  if (byte == Character.MINUS) byte = load<u8>(++p);
  if (byte == Character.ZERO) {
    byte = load<u8>(++p);
  } else if (isDigit(byte)) {
    do byte = load<u8>(++p);
    while (isDigit(byte));
  } else {
    return fail(Status.BAD_NUMBER, p);
  }
  return byte == Character.DOT || (byte | 0x20) == Character.LOWER_E ? skipFraction(p) : p;
}

/** Skips fraction and exponent: `p` is at the dot or the E. */
function skipFraction(p: usize): usize {
  let byte: u32 = load<u8>(p);
  if (byte == Character.DOT) {
    byte = load<u8>(++p);
    if (!isDigit(byte)) return fail(Status.BAD_NUMBER, p);
    do byte = load<u8>(++p);
    while (isDigit(byte));
  }
  if ((byte | 0x20) == Character.LOWER_E) {
    byte = load<u8>(++p);
    if (byte == Character.PLUS || byte == Character.MINUS) byte = load<u8>(++p);
    if (!isDigit(byte)) return fail(Status.BAD_NUMBER, p);
    do byte = load<u8>(++p);
    while (isDigit(byte));
  }
  return p;
}

/** Skips true, false or null. */
function skipWord(p: usize): usize {
  const word = load<u32>(p);
  if (word == 0x65757274 || word == 0x6c6c756e) return p + 4; // "true", "null"
  if (word == 0x736c6166 && load<u8>(p, 4) == Character.LOWER_E) return p + 5; // "fals"
  return failWord(p);
}

/** Finds the byte that is wrong where neither a value nor all of true, false, null is. */
function failWord(p: usize): usize {
  const first: u32 = load<u8>(p);
  const word =
    first == Character.LOWER_T
      ? "true"
      : first == Character.LOWER_F
        ? "false"
        : first == Character.LOWER_N
          ? "null"
          : "";
  let matching: usize = 0;
  while (
    matching < <usize>word.length &&
    load<u16>(changetype<usize>(word) + (matching << 1)) == load<u8>(p + matching)
  )
    matching++;
  return fail(Status.EXPECTED_VALUE, p + matching);
}

/** Is the value at `p` null? */
@inline
export function isNull(p: usize): bool {
  return load<u32>(p) == 0x6c6c_756e; // "null"
}

/** Skips the colon after a key and the blanks around it. */
@inline
function skipColon(p: usize): usize {
  p = skipBlanks(p);
  return load<u8>(p) == Character.COLON ? skipBlanks(p + 1) : fail(Status.EXPECTED_COLON, p);
}

/**
 * Skips one value of any kind, checking all of it.
 * @param p its first byte (no blank)
 * @param depth how many containers are open around it
 */
export function skipValue(p: usize, depth: i32): usize {
  const byte: u32 = load<u8>(p);
  if (byte == Character.QUOTE) return skipString(p);
  if (isOpening(byte)) return skipContainer(p, depth);
  if (isDigit(byte) || byte == Character.MINUS) return skipNumber(p);
  return skipWord(p);
}

@inline
function isOpening(byte: u32): bool {
  return byte == Character.OPEN_BRACE || byte == Character.OPEN_BRACKET;
}

function skipContainer(p: usize, depth: i32): usize {
  let level = depth;
  /** The bracket that closes the innermost open container; 0: none is open yet. */
  let closing: u32 = 0;
  while (true) {
    // Here p is at a key if the innermost container is an object, else at a value.
    if (closing == Character.CLOSE_BRACE) {
      if (load<u8>(p) != Character.QUOTE) return fail(Status.EXPECTED_KEY, p);
      p = skipString(p);
      if (!p) return 0;
      p = skipColon(p);
    }
    const byte: u32 = load<u8>(p);
    if (byte == Character.QUOTE) {
      p = skipString(p);
    } else if (isOpening(byte)) {
      if (level == MAX_DEPTH) return fail(Status.TOO_DEEP, p);
      p = skipBlanks(p + 1);
      // Both closings are two above their openings.
      if (load<u8>(p) != byte + 2) {
        store<u8>(closings + level, closing);
        level++;
        closing = byte + 2;
        continue;
      }
      p++;
    } else if (isDigit(byte) || byte == Character.MINUS) {
      p = skipNumber(p);
    } else {
      p = skipWord(p);
    }
    if (!p) return 0;

    // After a value: close what ends here, then go on to the next member or element.
    while (true) {
      if (level == depth) return p;
      p = skipBlanks(p);
      const next: u32 = load<u8>(p);
      if (next == Character.COMMA) {
        p = skipBlanks(p + 1);
        break;
      }
      if (next != closing) return fail(closing == Character.CLOSE_BRACE ? Status.EXPECTED_COMMA_OR_BRACE : Status.EXPECTED_COMMA_OR_BRACKET, p);
      p++;
      level--;
      closing = load<u8>(closings + level);
    }
  }
}

/**
 * Enters an object.
 * @param p its opening brace (which has been looked at)
 * @returns the first key's quote, or the closing brace
 */
@inline
export function enterObject(p: usize): usize {
  p = skipBlanks(p + 1);
  const byte: u32 = load<u8>(p);
  return byte == Character.QUOTE || byte == Character.CLOSE_BRACE ? p : fail(Status.EXPECTED_KEY, p);
}

/**
 * Reads a key: keyStart and keyEnd are its text afterwards, escapes decoded.
 * @param p its opening quote, as enterObject and nextMember return it
 * @returns the first byte of the member's value
 */
export function readKey(p: usize): usize {
  escapeSeen = false;
  const end = skipString(p);
  if (!end) return 0;
  keyStart = p + 1;
  keyEnd = end - 1;
  if (escapeSeen && !decodeKey()) return 0;
  return skipColon(end);
}

/** Decodes the key into the arena's open end: it is looked at before anything else is allocated. */
function decodeKey(): bool {
  const scratch = openEnd();
  if (!ensure(scratch + (keyEnd - keyStart))) return false;
  const end = decodeText(scratch, keyStart);
  keyStart = scratch;
  keyEnd = end;
  return true;
}

/** Is there a member at `p`, which enterObject or nextMember has returned? False after the last one, and after fail(). */
@inline
export function isMember(p: usize): bool {
  return load<u8>(p) == Character.QUOTE;
}

/** Address after an object or an array, whose last member or element nextMember or nextElement has passed; 0 after fail(). */
@inline
export function leave(p: usize): usize {
  return p ? p + 1 : 0;
}

/**
 * Goes on to the next member of an object.
 * @param p the address after a member's value
 * @returns the next key's quote, or the closing brace
 */
@inline
export function nextMember(p: usize): usize {
  p = skipBlanks(p);
  const byte: u32 = load<u8>(p);
  if (byte == Character.COMMA) {
    p = skipBlanks(p + 1);
    return load<u8>(p) == Character.QUOTE ? p : fail(Status.EXPECTED_KEY, p);
  }
  return byte == Character.CLOSE_BRACE ? p : fail(Status.EXPECTED_COMMA_OR_BRACE, p);
}

/**
 * Enters an array.
 * @param p its opening bracket (which has been looked at)
 * @returns the first element, or the closing bracket
 */
@inline
export function enterArray(p: usize): usize {
  return skipBlanks(p + 1);
}

/** Is there an element at `p`, which enterArray or nextElement has returned? False after the last one, and after fail(). */
@inline
export function isElement(p: usize): bool {
  return p != 0 && load<u8>(p) != Character.CLOSE_BRACKET;
}

/**
 * Goes on to the next element of an array.
 * @param p the address after an element
 * @returns the next element, or the closing bracket
 */
@inline
export function nextElement(p: usize): usize {
  p = skipBlanks(p);
  const byte: u32 = load<u8>(p);
  if (byte == Character.COMMA) {
    p = skipBlanks(p + 1);
    return load<u8>(p) == Character.CLOSE_BRACKET ? fail(Status.EXPECTED_VALUE, p) : p;
  }
  return byte == Character.CLOSE_BRACKET ? p : fail(Status.EXPECTED_COMMA_OR_BRACKET, p);
}

/**
 * Checks that only blanks follow.
 * @param p the address after an input's one value
 * @param end the address after the input
 */
export function finish(p: usize, end: usize): bool {
  p = skipBlanks(p);
  if (p != end) fail(Status.TRAILING_BYTES, p);
  return !failure();
}
