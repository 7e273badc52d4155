/**
 * The layout of a network-status, as Go multus writes it: every value of an entry on a line of its own, four blanks a level; entries side by side.
 * `kubectl describe` cuts lines at 140 characters, and would show little of the same text in one line.
 */

import { Character } from "../json/characters";
import { skipBlanks, skipValue } from "../json/scan";
import { writeByte } from "../json/write";
import { ensure, openEnd } from "../memory";

/** Blanks of one level. */
const INDENTATION: usize = 4;

/** Bytes beside a token and its indentation: a line feed before it, a blank after it. */
const AROUND_TOKEN: usize = 2;

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

/** Starts the line of a value, or of a bracket that closes, which is `level` lists and objects deep. */
function startLine(to: usize, level: usize): usize {
  const blanks = (level - 1) * INDENTATION;
  memory.fill(writeByte(to, Character.LINE_FEED), Character.SPACE, blanks);
  return to + 1 + blanks;
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
  for (let p = start; p < end; ) {
    const byte: u32 = load<u8>(p);
    const tokenEnd = isMark(byte) ? p + 1 : skipValue(p, 0);
    if (to - from > longest || !ensure(to + AROUND_TOKEN + (level + 1) * INDENTATION + (tokenEnd - p))) return 0;
    if (byte == Character.CLOSE_BRACE || byte == Character.CLOSE_BRACKET) {
      level--;
      if (!isFirst && level > 0) to = startLine(to, level);
    } else if (isFirst && level > 1) {
      to = startLine(to, level);
    }
    isFirst = byte == Character.OPEN_BRACE || byte == Character.OPEN_BRACKET;
    if (isFirst) level++;
    memory.copy(to, p, tokenEnd - p);
    to += tokenEnd - p;
    if (byte == Character.COLON) to = writeByte(to, Character.SPACE);
    else if (byte == Character.COMMA && level > 1) to = startLine(to, level);
    p = skipBlanks(tokenEnd);
  }
  return to - from > longest ? 0 : to;
}
