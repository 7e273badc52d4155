/**
 * The layout of a network-status, as Go multus writes it: every value of an entry on a line of its own, four blanks a level; entries side by side.
 * `kubectl describe` cuts lines at 140 characters, and would show little of the same text in one line.
 */

import { Character } from "../json/characters";
import { skipBlanks, skipValue } from "../json/scan";
import { writeByte, writeBytes, writeText } from "../json/write";
import { goOn, makeRoom, out } from "../result/output";

/** Blanks of one level. */
const INDENTATION: usize = 4;

/** Level of an entry's members. */
export const MEMBERS: usize = 1;

/** Are lines made? Otherwise all is in one. */
let hasLines: bool = false;

/** Chooses between lines and one line. */
export function chooseLines(wanted: bool): void {
  hasLines = wanted;
}

/** Starts the line of a value, or of a bracket that closes. Up to 15 bytes beyond it may be overwritten. */
@inline
export function startLine(to: usize, level: usize): usize {
  if (!hasLines) return to;
  const blanks = level * INDENTATION;
  store<u8>(to++, Character.LINE_FEED);
  for (let offset: usize = 0; offset < blanks; offset += 16) v128.store(to + offset, i8x16.splat(Character.SPACE));
  return to + blanks;
}

/**
 * Writes the key of a member of an entry, on a line of its own.
 * @param key in quotes, with its colon
 */
@inline
export function writeKey(to: usize, key: string): usize {
  to = writeText(startLine(to, MEMBERS), key);
  return hasLines ? writeByte(to, Character.SPACE) : to;
}

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

/**
 * Writes the value of a member of an entry: with lines laid out, else as it is written.
 * @param start JSON text, valid
 * @param limit address that the layout must not reach by more than one token
 * @returns false: it would, or there is no memory left for it
 */
export function writeValue(start: usize, end: usize, limit: usize): bool {
  if (!hasLines) {
    if (!makeRoom(end - start)) return false;
    goOn(writeBytes(out, start, end));
    return true;
  }
  let to = out;
  let level = MEMBERS;
  let isFirst = false;
  for (let p = start; p < end; ) {
    const byte: u32 = load<u8>(p);
    const isPunctuation = isMark(byte);
    const tokenEnd = isPunctuation ? p + 1 : skipValue(p, 0);
    goOn(to);
    if (to > limit || !makeRoom(level * INDENTATION + (tokenEnd - p))) return false;
    if (byte == Character.CLOSE_BRACE || byte == Character.CLOSE_BRACKET) {
      level--;
      if (!isFirst) to = startLine(to, level);
    } else if (isFirst) {
      to = startLine(to, level);
    }
    isFirst = byte == Character.OPEN_BRACE || byte == Character.OPEN_BRACKET;
    if (isFirst) level++;
    to = isPunctuation ? writeByte(to, byte) : writeBytes(to, p, tokenEnd);
    if (byte == Character.COLON) to = writeByte(to, Character.SPACE);
    else if (byte == Character.COMMA) to = startLine(to, level);
    p = skipBlanks(tokenEnd);
  }
  goOn(to);
  return true;
}
