/** The JSON boundary: text to values with a position in every error, and raw slices for what must stay as it was written (numbers beyond 2^53). */

import { isUtf8 } from "node:buffer";
import { type InputError, textError } from "./input-error.ts";
import {
  backslash,
  closeBrace,
  closeBracket,
  colon,
  comma,
  minus,
  nine,
  openBrace,
  openBracket,
  point,
  quote,
  stringText,
  zero,
} from "./json-bytes.ts";
import { lineColumn } from "./text-places.ts";

class JsonProblem extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

// The byte order mark is kept: JSON has none, and Go refuses it too.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Parses JSON text.
 * @param where names the source in errors: a file, "netconf on stdin", an annotation
 * @throws {InputError} of kind "syntax", with `where`, line and column
 */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  if (!isUtf8(bytes)) throw decodingFailure("not UTF-8", bytes, firstInvalidUtf8(bytes), where);
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    // JSON.parse does not always say where; the scanner does.
    throw atPosition(bytes, where, error, () => scanDocument(bytes));
  }
}

/** A JSON object's text, its name for errors, and which members are wanted, by their names; without that: all. A text of some megabytes can have a million. */
type ObjectText = [bytes: Uint8Array, where: string, isWanted?: (name: string) => boolean];

/**
 * The members of a JSON object as raw bytes (views into the text), in the order of the text; of duplicate keys every one. Strings need not be UTF-8.
 * @throws {InputError} where it is not JSON, or not an object
 */
export function everyMember(...object: ObjectText): [name: string, raw: Uint8Array][] {
  const members: [string, Uint8Array][] = [];
  eachMember(object, (name, raw) => members.push([name, raw]));
  return members;
}

/** The same by name; the last of duplicate keys wins. */
export function objectMembers(...object: ObjectText): Map<string, Uint8Array> {
  const members = new Map<string, Uint8Array>();
  eachMember(object, (name, raw) => members.set(name, raw));
  return members;
}

/**
 * The same as Go reads them into the fields of a type: of duplicate keys the last one that is not null. A null leaves a text, a number or a struct as it is; that it empties a list or a map in
 * Go is not followed, so that the rule is one for all keys.
 */
export function fieldMembers(...object: ObjectText): Map<string, Uint8Array> {
  const members = new Map<string, Uint8Array>();
  eachMember(object, (name, raw) => {
    if (isNull(raw) && members.has(name)) return;
    // Of keys in different cases the last one may count.
    members.delete(name);
    members.set(name, raw);
  });
  return members;
}

/** One at a time: a key that repeats takes no more memory than once. */
function eachMember(
  [bytes, where, isWanted]: ObjectText,
  visit: (name: string, raw: Uint8Array) => void,
): void {
  scan(bytes, where, openBrace, "object", (start) =>
    scanMembers(bytes, start, (name, from, to) => {
      if (isWanted === undefined || isWanted(name)) visit(name, bytes.subarray(from, to));
    }),
  );
}

/**
 * The members that are whole in a torn text, for files that lost their end.
 * @param bytes anything
 */
export function wholeMembers(bytes: Uint8Array): Map<string, Uint8Array> {
  const members = new Map<string, Uint8Array>();
  const start = skipSpace(bytes, 0);
  if (bytes[start] !== openBrace) return members;
  try {
    scanMembers(bytes, start, (name, from, to) => members.set(name, bytes.subarray(from, to)));
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
  }
  return members;
}

/** The elements of a JSON array as raw bytes (views into `bytes`). @throws {InputError} where it is not JSON, or not an array */
export function arrayElements(bytes: Uint8Array, where: string): Uint8Array[] {
  const elements: Uint8Array[] = [];
  scan(bytes, where, openBracket, "array", (start) =>
    scanElements(bytes, start, (from, to) => elements.push(bytes.subarray(from, to))),
  );
  return elements;
}

/**
 * The parsed elements at the start of an array that are whole, whatever comes behind them, for files that lost their end.
 * @param bytes anything; never throws
 * @returns the elements, and whether the text is one whole JSON array
 */
export function wholeElements(bytes: Uint8Array): {
  readonly elements: readonly unknown[];
  readonly isWhole: boolean;
} {
  const elements: unknown[] = [];
  try {
    const whole: unknown = JSON.parse(decoder.decode(bytes));
    return Array.isArray(whole) ? { elements: whole, isWhole: true } : { elements, isWhole: false };
  } catch {
    // Torn: element by element.
  }
  const start = bytes.indexOf(openBracket);
  if (start < 0) return { elements, isWhole: false };
  try {
    scanElements(bytes, start, (from, to) => {
      // A number at the end of the text may have lost digits.
      if (to < bytes.length) elements.push(JSON.parse(decoder.decode(bytes.subarray(from, to))));
    });
  } catch {
    // An element that is not JSON, or too deep to be parsed, ends them.
  }
  return { elements, isWhole: false };
}

/** How many elements an array has, without making anything of them; 0 where the bytes are no whole JSON array. */
export function elementCount(bytes: Uint8Array): number {
  const start = skipSpace(bytes, 0);
  if (bytes[start] !== openBracket) return 0;
  let count = 0;
  try {
    const end = scanElements(bytes, start, () => {
      count += 1;
    });
    scanEnd(bytes, end);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    return 0;
  }
  return count;
}

/** The parsed value of a member; undefined if it is missing. @param members as objectMembers or wholeMembers gave them, so known to be JSON */
export function memberValue(members: ReadonlyMap<string, Uint8Array>, name: string): unknown {
  const raw = members.get(name);
  return raw === undefined ? undefined : JSON.parse(decoder.decode(raw));
}

/** Is this raw value null? */
export function isNull(json: Uint8Array): boolean {
  return json.length === 4 && json[0] === 0x6e;
}

/** A scalar as text, and of an object or array what it is: one with a member `toString` cannot be turned into text by String. @param value parsed JSON */
export function scalarText(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  return isJsonObject(value) ? "an object" : String(value);
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Is this parsed value an object, and not null or an array? */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object in a text that nothing vouches for; undefined where it is not JSON, or no object. */
export function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The object that parsed JSON has under these keys, one in the other: `objectAt(pod, "metadata", "annotations")`; {} where there is none. */
export function objectAt(value: unknown, ...keys: readonly string[]): JsonObject {
  const found = keys.reduce((at, key) => (isJsonObject(at) ? at[key] : undefined), value);
  return isJsonObject(found) ? found : {};
}

/** Does a parsed value have more than so many containers within each other? JSON.parse takes any depth, and JSON.stringify ends with a RangeError at some thousands. */
export function isDeeperThan(value: unknown, most: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return most === 0 || Object.values(value).some((member) => isDeeperThan(member, most - 1));
}

/** The elements of a parsed array; none of any other value. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Those of them that are objects. */
export function objectsIn(value: unknown): readonly JsonObject[] {
  return listOf(value).filter(isJsonObject);
}

/** A parsed text; "" for any other value. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A parsed number that counts something: whole, exact, and not below 0. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Writes an object from raw values. */
export function joinMembers(members: Iterable<readonly [string, Uint8Array]>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of members) {
    parts.push(Buffer.from(`${parts.length === 0 ? "{" : ","}${JSON.stringify(name)}:`), value);
  }
  parts.push(Buffer.from(parts.length === 0 ? "{}" : "}"));
  return Buffer.concat(parts);
}

/** Writes an array from raw values. */
export function joinElements(elements: Iterable<Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const element of elements) parts.push(Buffer.from(parts.length === 0 ? "[" : ","), element);
  parts.push(Buffer.from(parts.length === 0 ? "[]" : "]"));
  return Buffer.concat(parts);
}

/**
 * Where the value at a path begins: an offset into `bytes`; of the deepest value on the way that is there.
 * @param bytes valid JSON
 * @param path names of members, in any case, and indexes of elements
 */
export function valueOffset(bytes: Uint8Array, path: readonly string[]): number {
  let offset = skipSpace(bytes, 0);
  for (const step of path) {
    let found = -1;
    if (bytes[offset] === openBrace) {
      scanMembers(bytes, offset, (name, from) => {
        if (name === step || (found < 0 && name.toLowerCase() === step.toLowerCase())) found = from;
      });
    } else if (bytes[offset] === openBracket) {
      let index = 0;
      scanElements(bytes, offset, (from) => {
        if (String(index) === step) found = from;
        index += 1;
      });
    }
    if (found < 0) return offset;
    offset = found;
  }
  return offset;
}

function decodingFailure(what: string, bytes: Uint8Array, offset: number, where: string): InputError {
  const message = `not valid JSON: ${what}`;
  return textError("syntax", where, [{ message, ...lineColumn(bytes, offset) }]);
}

/** Runs a scan; what it finds wrong becomes an InputError. `otherwise` is thrown where it finds nothing. */
function atPosition(bytes: Uint8Array, where: string, otherwise: unknown, run: () => void): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof JsonProblem) return decodingFailure(error.message, bytes, error.offset, where);
    return error;
  }
  return otherwise;
}

/** Scans a whole document. @param run scans its value from `start`, and gives the offset behind it */
function scan(
  bytes: Uint8Array,
  where: string,
  open: number,
  kind: string,
  run: (start: number) => number,
): void {
  const start = skipSpace(bytes, 0);
  const wrong = atPosition(bytes, where, undefined, () => {
    if (bytes[start] === open) return scanEnd(bytes, run(start));
    scanDocument(bytes);
    const message = `must be an ${kind}`;
    throw textError("content", where, [{ message, ...lineColumn(bytes, start) }]);
  });
  if (wrong !== undefined) throw wrong;
}

function firstInvalidUtf8(bytes: Uint8Array): number {
  // Decoding replaces what is invalid, so that the texts differ from the first invalid byte on.
  const repaired = Buffer.from(decoder.decode(bytes));
  let offset = 0;
  while (repaired[offset] === bytes[offset]) offset += 1;
  return offset;
}

function scanDocument(bytes: Uint8Array): void {
  scanEnd(bytes, scanValue(bytes, skipSpace(bytes, 0)));
}

function scanEnd(bytes: Uint8Array, offset: number): void {
  const end = skipSpace(bytes, offset);
  if (end < bytes.length) throw new JsonProblem("something follows the value", end);
}

/** Calls `visit` for each member. @returns the offset behind the object that begins at `start` */
function scanMembers(
  bytes: Uint8Array,
  start: number,
  visit: (name: string, from: number, to: number) => void,
): number {
  let offset = skipSpace(bytes, start + 1);
  if (bytes[offset] === closeBrace) return offset + 1;
  for (;;) {
    const from = scanName(bytes, offset);
    const to = scanValue(bytes, from);
    visit(stringText(bytes, offset, scanString(bytes, offset)), from, to);
    offset = skipSpace(bytes, to);
    if (bytes[offset] === closeBrace) return offset + 1;
    if (bytes[offset] !== comma) throw expected('"," or "}"', bytes, offset);
    offset = skipSpace(bytes, offset + 1);
  }
}

/** Calls `visit` for each element. @returns the offset behind the array that begins at `start` */
function scanElements(bytes: Uint8Array, start: number, visit: (from: number, to: number) => void): number {
  let offset = skipSpace(bytes, start + 1);
  if (bytes[offset] === closeBracket) return offset + 1;
  for (;;) {
    const to = scanValue(bytes, offset);
    visit(offset, to);
    offset = skipSpace(bytes, to);
    if (bytes[offset] === closeBracket) return offset + 1;
    if (bytes[offset] !== comma) throw expected('"," or "]"', bytes, offset);
    offset = skipSpace(bytes, offset + 1);
  }
}

/** Checks the value at `start`, whatever its depth. @returns the offset behind it */
function scanValue(bytes: Uint8Array, start: number): number {
  // An array in place of recursion: the depth of the text must not be the depth of the stack.
  const closings: number[] = [];
  let offset = start;
  for (;;) {
    const first = bytes[offset];
    if (first === openBrace || first === openBracket) {
      const closing = first === openBrace ? closeBrace : closeBracket;
      offset = skipSpace(bytes, offset + 1);
      if (bytes[offset] !== closing) {
        closings.push(closing);
        if (closing === closeBrace) offset = scanName(bytes, offset);
        continue;
      }
      offset += 1;
    } else {
      offset = scanScalar(bytes, offset);
    }
    for (;;) {
      const closing = closings.at(-1);
      if (closing === undefined) return offset;
      offset = skipSpace(bytes, offset);
      if (bytes[offset] === comma) {
        offset = skipSpace(bytes, offset + 1);
        if (closing === closeBrace) offset = scanName(bytes, offset);
        break;
      }
      if (bytes[offset] !== closing) {
        throw expected(`"," or "${String.fromCharCode(closing)}"`, bytes, offset);
      }
      closings.pop();
      offset += 1;
    }
  }
}

/** A member's name and colon. @returns the offset of the value */
function scanName(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== quote) throw expected("a member's name in quotes", bytes, start);
  const offset = skipSpace(bytes, scanString(bytes, start));
  if (bytes[offset] !== colon) throw expected('":"', bytes, offset);
  return skipSpace(bytes, offset + 1);
}

function scanScalar(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  if (first === quote) return scanString(bytes, start);
  if (first === minus || isDigit(first)) return scanNumber(bytes, start);
  for (const word of words) {
    if (word.every((byte, index) => bytes[start + index] === byte)) return start + word.length;
  }
  throw expected("a value", bytes, start);
}

const words = ["true", "false", "null"].map((word) => [...Buffer.from(word)]);

function scanString(bytes: Uint8Array, start: number): number {
  let offset = start + 1;
  for (;;) {
    const byte = bytes[offset];
    if (byte === undefined) throw new JsonProblem("a string that does not end", start);
    if (byte === quote) return offset + 1;
    if (byte < 0x20) throw new JsonProblem("a control character in a string", offset);
    offset += byte === backslash ? escapeLength(bytes, offset) : 1;
  }
}

function escapeLength(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset + 1];
  const character = byte === undefined ? "" : String.fromCharCode(byte);
  if (character !== "" && '"\\/bfnrt'.includes(character)) return 2;
  if (character === "u" && /^[0-9a-fA-F]{4}$/.test(latin1(bytes, offset + 2, offset + 6))) return 6;
  throw new JsonProblem("an escape that JSON does not have", offset);
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function scanNumber(bytes: Uint8Array, start: number): number {
  let offset = bytes[start] === minus ? start + 1 : start;
  offset = bytes[offset] === zero ? offset + 1 : scanDigits(bytes, offset);
  if (bytes[offset] === point) offset = scanDigits(bytes, offset + 1);
  if (bytes[offset] === 0x65 || bytes[offset] === 0x45) {
    const sign = bytes[offset + 1];
    offset = scanDigits(bytes, sign === 0x2b || sign === minus ? offset + 2 : offset + 1);
  }
  return offset;
}

function scanDigits(bytes: Uint8Array, start: number): number {
  let offset = start;
  while (isDigit(bytes[offset])) offset += 1;
  if (offset === start) throw expected("a digit", bytes, offset);
  return offset;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine;
}

function skipSpace(bytes: Uint8Array, start: number): number {
  let offset = start;
  for (;;) {
    const byte = bytes[offset];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return offset;
    offset += 1;
  }
}

function expected(what: string, bytes: Uint8Array, offset: number): JsonProblem {
  return new JsonProblem(
    offset >= bytes.length ? `it ends where ${what} is expected` : `${what} is expected`,
    offset,
  );
}
