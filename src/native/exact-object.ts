/** JSON objects of which every key has to be known and as expected: anything else is left to the plugin, which reads it in its own way. */

import { posix } from "node:path";
import { InputError } from "../base/input-error.ts";
import { arrayElements, everyMember } from "../base/json.ts";
import { quote, writtenText } from "../base/json-bytes.ts";
import { quoted } from "../log/quoted.ts";
import { parseMac } from "./address.ts";

/** A configuration, or a part of one, that is left to its plugin; the message says why, in words for operators. */
export class LeftToPlugin extends Error {
  override readonly name = "LeftToPlugin";
}

/** Characters of a directory: the shim puts file names behind it. */
const longestDirectory = 1024;

const mtus = { smallest: 68, largest: 65_535 };

/** A value of a list. @param where its place: `ipam.routes[0]` @throws {LeftToPlugin} */
export type ElementReader<Value> = (json: Uint8Array, where: string) => Value;

/**
 * An object whose keys are written exactly as the plugins' documentation has them, each once. Go reads keys in any case, takes the last of duplicates and passes over unknown ones and nulls: such
 * an object is left to the plugin.
 */
export class ExactObject {
  readonly #where: string;
  readonly #members = new Map<string, Uint8Array>();

  /**
   * @param json UTF-8
   * @param where its place in the configuration, "" for a whole one
   * @param known its keys
   * @throws {LeftToPlugin} no object, a key that is not known, or one that is there twice
   */
  constructor(json: Uint8Array, where: string, known: readonly string[]) {
    this.#where = where;
    for (const [key, value] of membersOf(json, where)) {
      if (!known.includes(key)) throw new LeftToPlugin(unknownKey(this.place(key), key, known));
      if (this.#members.has(key)) throw new LeftToPlugin(`key ${quoted(this.place(key))} is there twice`);
      this.#members.set(key, value);
    }
  }

  /** A member's place in the configuration: `ipam.subnet`. */
  place(key: string): string {
    return this.#where === "" ? key : `${this.#where}.${key}`;
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  /** undefined: it is not there. @throws {LeftToPlugin} no text */
  text(key: string): string | undefined {
    const json = this.#members.get(key);
    return json === undefined ? undefined : readText(json, this.place(key));
  }

  /** false where it is not there. @throws {LeftToPlugin} neither true nor false */
  flag(key: string): boolean {
    const json = this.#members.get(key);
    if (json === undefined) return false;
    const written = writtenText(json, 0, json.length);
    if (written === "true") return true;
    if (written === "false") return false;
    throw new LeftToPlugin(`key ${quoted(this.place(key))} must be true or false`);
  }

  /** 0 where it is not there. @throws {LeftToPlugin} no whole number from 0 to `most`, in digits alone */
  count(key: string, most: number): number {
    const json = this.#members.get(key);
    if (json === undefined) return 0;
    const written = writtenText(json, 0, json.length);
    const value = /^(?:0|[1-9]\d{0,9})$/.test(written) ? Number(written) : Number.NaN;
    if (value <= most) return value;
    throw new LeftToPlugin(`key ${quoted(this.place(key))} must be a whole number from 0 to ${most}`);
  }

  /** An MTU that an interface of these kinds may have; 0 is none. @throws {LeftToPlugin} */
  mtu(key: string): number {
    const mtu = this.count(key, mtus.largest);
    if (mtu === 0 || mtu >= mtus.smallest) return mtu;
    throw new LeftToPlugin(`key ${quoted(this.place(key))} is below ${mtus.smallest}`);
  }

  /** The members of an object of texts, whose keys may be any; undefined: it is not there. @throws {LeftToPlugin} */
  texts(key: string): readonly (readonly [key: string, value: string])[] | undefined {
    const json = this.#members.get(key);
    if (json === undefined) return undefined;
    return membersOf(json, this.place(key)).map(([name, value]) => [
      name,
      readText(value, `${this.place(key)}.${name}`),
    ]);
  }

  /**
   * An absolute path in its shortest form, with a name behind it. @param usual where the key is not there, or "" @throws {LeftToPlugin}
   */
  directory(key: string, usual: string, name: string): string {
    const written = this.text(key) || usual;
    const directory = posix.join(written, name).replace(/\/$/, "");
    if (!written.startsWith("/") || written.split("/").includes("..") || name === ".." || directory === "") {
      throw new LeftToPlugin(`key ${quoted(this.place(key))} must be an absolute path without ".."`);
    }
    if (Buffer.byteLength(directory) > longestDirectory) {
      throw new LeftToPlugin(
        `the directory of ${quoted(this.place(key))} has more than ${longestDirectory} bytes`,
      );
    }
    return directory;
  }

  /** undefined: it is not there. @throws {LeftToPlugin} */
  object(key: string, known: readonly string[]): ExactObject | undefined {
    const json = this.#members.get(key);
    return json === undefined ? undefined : new ExactObject(json, this.place(key), known);
  }

  /** undefined: it is not there. @throws {LeftToPlugin} no list; what `read` throws */
  list<Value>(key: string, read: ElementReader<Value>): readonly Value[] | undefined {
    const json = this.#members.get(key);
    return json === undefined ? undefined : readList(json, this.place(key), read);
  }

  /** @throws {LeftToPlugin} where one of the keys is true */
  refuseFlags(keys: readonly string[]): void {
    for (const key of keys) {
      if (this.flag(key)) throw new LeftToPlugin(`key ${quoted(this.place(key))} is true`);
    }
  }
}

function unknownKey(place: string, key: string, known: readonly string[]): string {
  const spelled = known.find((each) => each.toLowerCase() === key.toLowerCase());
  return spelled === undefined
    ? `key ${quoted(place)} is not known`
    : `key ${quoted(place)} must be written ${quoted(spelled)}`;
}

function membersOf(json: Uint8Array, where: string): [string, Uint8Array][] {
  try {
    return everyMember(json, where);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new LeftToPlugin(where === "" ? "no object" : `key ${quoted(where)} must be an object`);
  }
}

/** A text; control characters are left to the plugin, as releases of Go print some of them differently. @throws {LeftToPlugin} */
export const readText: ElementReader<string> = (json, where) => {
  const value: unknown = json[0] === quote ? JSON.parse(writtenText(json, 0, json.length)) : undefined;
  if (typeof value !== "string") throw new LeftToPlugin(`key ${quoted(where)} must be a text`);
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) {
    throw new LeftToPlugin(`key ${quoted(where)} has a control character, or half of a surrogate pair`);
  }
  return value;
};

/** @throws {LeftToPlugin} no list; what `read` throws */
export function readList<Value>(
  json: Uint8Array,
  where: string,
  read: ElementReader<Value>,
): readonly Value[] {
  let elements: readonly Uint8Array[];
  try {
    elements = arrayElements(json, where);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new LeftToPlugin(`key ${quoted(where)} must be a list`);
  }
  return elements.map((element, index) => read(element, `${where}[${index}]`));
}

/** @throws {LeftToPlugin} */
export function readMac(text: string): Uint8Array {
  const mac = parseMac(text);
  if (mac === undefined) throw new LeftToPlugin(`MAC address ${quoted(text)} is not six bytes with colons`);
  return mac;
}
