/** Strings that mean something but are written with escapes: decoded into places of their own, as nearly none is. */

import { Character } from "../json/characters";
import { decodeText } from "../json/text";

/** More than the longest text that can mean something, an address with its prefix length, has, at 6 bytes for each character and two quotes. */
const LONGEST_WRITTEN: usize = 59 * 6 + 2;

/** Room for the decoded text of a key (or a version), of a value and of a gateway: all three are in use at once. */
export const keyText: usize = memory.data(384, 16);
export const valueText: usize = memory.data(384, 16);
export const gatewayText: usize = memory.data(384, 16);

/**
 * Decodes a string that has escapes and is short enough to mean something, and ends the text with a quote.
 * @returns the address of that quote; 0 if nothing was done, as the text as written, or none, is what counts
 */
export function unescape(to: usize, p: usize, end: usize): usize {
  if (end - p > LONGEST_WRITTEN) return 0;
  let at = p;
  while (at < end && load<u8>(at) != Character.BACKSLASH) at++;
  if (at == end) return 0;
  const textEnd = decodeText(to, p + 1);
  // A quote in the text would end it too early for its reader.
  for (at = to; at < textEnd; at++) if (load<u8>(at) == Character.QUOTE) return 0;
  store<u8>(textEnd, Character.QUOTE);
  return textEnd;
}
