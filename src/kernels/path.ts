/** Where in a JSON text a byte is, said in keys and indexes: for error messages. */

import {
  closeBrace,
  closeBracket,
  comma,
  openBrace,
  openBracket,
  quote,
  stringEnd,
  stringText,
  writtenText,
} from "../base/json-bytes.ts";

/** Longest value that is quoted in a message, in bytes. */
const longestQuoted = 60;
/** Characters of a key, and of a whole path, in a message. */
const longestKey = 200;
const longestPath = 1000;

/** A container that is open where the reader is. */
interface Level {
  /** Index of the element; undefined in an object. */
  index: number | undefined;
  /** Where the member's key is written, if one has been met: its opening quote, and after its closing one. */
  keyStart: number;
  keyEnd: number;
}

/**
 * Path of the value that begins at a byte, such as `ips[1].address`; empty for the top. The text before it must be JSON, the
 * text behind it need not.
 * @param offset index of the byte
 */
export function jsonPathAt(bytes: Uint8Array, offset: number): string {
  const levels: Level[] = [];
  for (let at = 0; at < offset; at++) {
    const top = levels.at(-1);
    switch (bytes[at]) {
      case quote: {
        const end = stringEnd(bytes, at);
        // Whether a string is a key or a value does not matter: no path goes through a value.
        if (top !== undefined && top.index === undefined && end <= offset) {
          top.keyStart = at;
          top.keyEnd = end;
        }
        at = end - 1;
        break;
      }
      case openBrace:
        levels.push({ index: undefined, keyStart: 0, keyEnd: 0 });
        break;
      case openBracket:
        levels.push({ index: 0, keyStart: 0, keyEnd: 0 });
        break;
      case closeBrace:
      case closeBracket:
        levels.pop();
        break;
      case comma:
        if (top?.index !== undefined) top.index++;
        else if (top !== undefined) top.keyEnd = 0;
        break;
    }
  }
  let path = "";
  for (const { index, keyStart, keyEnd } of levels) {
    if (index !== undefined) path += `[${index}]`;
    else if (keyEnd !== 0) path += (path === "" ? "" : ".") + shortKey(stringText(bytes, keyStart, keyEnd));
  }
  // The end of a path says more than its beginning.
  return path.length > longestPath ? `…${path.slice(-longestPath)}`.toWellFormed() : path;
}

function shortKey(key: string): string {
  return key.length > longestKey
    ? `${key.slice(0, longestKey)}… (${key.length} characters)`.toWellFormed()
    : key;
}

/** The string, number or word that begins at a byte, as written; empty if it is none of these, or too long to be of help. */
export function jsonValueAt(bytes: Uint8Array, offset: number): string {
  const first = bytes[offset];
  if (first === openBrace || first === openBracket) return "";
  let end = offset;
  if (first === quote) end = stringEnd(bytes, offset);
  else while (/[-+.\w]/.test(String.fromCharCode(bytes[end] ?? 0))) end++;
  return end - offset > longestQuoted ? "" : writtenText(bytes, offset, end);
}
