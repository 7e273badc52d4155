/** Types that a plugin's configuration names at any depth: those of the plugins that it runs in turn among them. */

import {
  closeBrace,
  closeBracket,
  colon,
  openBrace,
  openBracket,
  quote,
  space,
  stringEnd,
  stringText,
} from "../../base/json-bytes.ts";

/**
 * Every member `type` that is a string, at any depth, in any case. Not by JSON.parse: of members of one name it has the last only, while Go reads what both have into one
 * object, and a plugin of another language may take the first.
 * @param bytes JSON that a kernel has checked
 * @param isWanted by the first byte of the string: a configuration may have tens of thousands of types
 * @returns `owner`: the key of the object that the member is in, or of the array of such objects, in lower case; "" for the outermost
 */
export function* typesWithin(
  bytes: Buffer,
  isWanted: (first: number | undefined) => boolean,
): Generator<{ readonly owner: string; readonly value: string }> {
  /** Of the containers around the place. */
  const owners: (Key | undefined)[] = [];
  let key: Key | undefined;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === openBrace || byte === openBracket) {
      owners.push(key ?? owners.at(-1));
      key = undefined;
    } else if (byte === closeBrace || byte === closeBracket) {
      owners.pop();
      key = undefined;
    } else if (byte === quote) {
      const start = index;
      const end = stringEnd(bytes, start);
      index = end - 1;
      if (isBeforeColon(bytes, end)) {
        key = new Key(bytes, start, end);
      } else {
        if (isWanted(bytes[start + 1]) && key?.text === "type") {
          yield { owner: owners.at(-1)?.text ?? "", value: stringText(bytes, start, end) };
        }
        key = undefined;
      }
    }
  }
}

/** A key where it stands. It may be as long as the configuration, and be that of ten thousands of objects: it is decoded once. */
class Key {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  #text: string | undefined;

  /** @param start of its opening quote @param end behind the closing one */
  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** In lower case, as Go takes keys in any. */
  get text(): string {
    this.#text ??= stringText(this.#bytes, this.#start, this.#end).toLowerCase();
    return this.#text;
  }
}

function isBeforeColon(bytes: Buffer, start: number): boolean {
  let index = start;
  while ((bytes[index] ?? colon) <= space) index++;
  return bytes[index] === colon;
}
