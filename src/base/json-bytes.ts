/** Bytes of JSON, for code that reads a text without making values of it. */

/** No byte of JSON's white space is above it. */
export const space = 0x20;
export const quote = 0x22;
export const comma = 0x2c;
export const minus = 0x2d;
export const point = 0x2e;
export const zero = 0x30;
export const nine = 0x39;
export const colon = 0x3a;
export const openBracket = 0x5b;
export const backslash = 0x5c;
export const closeBracket = 0x5d;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;

/** Index behind the closing quote of the string that begins at `start`; that of the end of the text if it has none. */
export function stringEnd(bytes: Uint8Array, start: number): number {
  let end = start + 1;
  while (end < bytes.length && bytes[end] !== quote) end += bytes[end] === backslash ? 2 : 1;
  return Math.min(end + 1, bytes.length);
}

/** A string without its quotes and escapes; one that JSON does not have as it is written. */
export function stringText(bytes: Uint8Array, start: number, end: number): string {
  const written = writtenText(bytes, start, end);
  if (!written.includes("\\")) return written.slice(1, -1);
  try {
    return String(JSON.parse(written));
  } catch {
    return written.slice(1, -1);
  }
}

/** A part of a text as it is written. */
export function writtenText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}
