/**
 * The layout of a network-status, as Go multus writes it: every value of an entry on a line of its own, four blanks a level; entries side by side.
 * `kubectl describe` cuts lines at 140 characters, and would show little of the same text in one line.
 */

import { Character } from "../json/characters";
import { skipBlanks, skipValue } from "../json/scan";
import { writeByte, writeBytes } from "../json/write";
import { ensure, openEnd } from "../memory";

/** Blanks of one level. */
const INDENTATION: usize = 4;

/** Bytes beside a token and its indentation, of which there is one for each: a line feed before or after it, a blank after it. */
const AROUND_TOKEN: usize = 2;

/** Bytes that are made room for at once. */
const ROOM_AHEAD: usize = 1024;

/** Is the byte a bracket, a colon or a comma? Anything else is a value without members, or a key. */
@inline
function isMark(byte: u32): bool {
  return (
    byte == Character.COMMA ||
    byte == Character.COLON ||
    // [ and ], then { and }.
    (byte | 0x20) == Character.OPEN_BRACE ||
    (byte | 0x20) == Character.CLOSE_BRACE
  );
}

/** Address after the string whose opening quote is at `p`. It was checked when it was read. */
@inline
function endOfString(p: usize): usize {
  p++;
  while (true) {
    const bytes = v128.load(p);
    const stops = i8x16.bitmask(
      v128.or(i8x16.eq(bytes, i8x16.splat(Character.QUOTE)), i8x16.eq(bytes, i8x16.splat(Character.BACKSLASH))),
    );
    if (!stops) {
      p += 16;
      continue;
    }
    p += ctz(stops);
    if (load<u8>(p) == Character.QUOTE) break;
    p += 2;
  }
  return p + 1;
}

/** Starts the line of a value, or of a bracket that closes, which is `level` lists and objects deep. Up to 15 bytes beyond it may be overwritten. */
@inline
function startLine(to: usize, level: usize): usize {
  const blanks = (level - 1) * INDENTATION;
  store<u8>(to++, Character.LINE_FEED);
  for (let offset: usize = 0; offset < blanks; offset += 16) v128.store(to + offset, i8x16.splat(Character.SPACE));
  return to + blanks;
}

/**
 * Lays a list out, at the arena's open end. The list itself has no lines, only its entries have.
 * @param start JSON text, valid
 * @param longest bytes that the layout may have
 * @returns the address after the layout; 0: it would be longer, or there is no memory left for it
 */
export function layOut(start: usize, end: usize, longest: usize): usize {
  const from = openEnd();
  let to = from;
  let level: usize = 0;
  let isFirst = false;
  let ready = from;
  for (let p = start; p < end; ) {
    const byte: u32 = load<u8>(p);
    const isString = byte == Character.QUOTE;
    const isPunctuation = !isString && isMark(byte);
    const tokenEnd = isString ? endOfString(p) : isPunctuation ? p + 1 : skipValue(p, 0);
    const needed = to + AROUND_TOKEN + (level + 1) * INDENTATION + (tokenEnd - p);
    if (needed > ready) {
      // Not for each token.
      ready = needed + ROOM_AHEAD;
      if (to - from > longest || !ensure(ready)) return 0;
    }
    if (byte == Character.CLOSE_BRACE || byte == Character.CLOSE_BRACKET) {
      level--;
      if (!isFirst && level > 0) to = startLine(to, level);
    } else if (isFirst && level > 1) {
      to = startLine(to, level);
    }
    isFirst = byte == Character.OPEN_BRACE || byte == Character.OPEN_BRACKET;
    if (isFirst) level++;
    to = isPunctuation ? writeByte(to, byte) : writeBytes(to, p, tokenEnd);
    if (byte == Character.COLON) to = writeByte(to, Character.SPACE);
    else if (byte == Character.COMMA && level > 1) to = startLine(to, level);
    p = skipBlanks(tokenEnd);
  }
  return to - from > longest ? 0 : to;
}
