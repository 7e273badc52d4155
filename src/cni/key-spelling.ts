/** Keys of JSON objects as Go reads them: in any case, null as absent, the last of those that mean the same. */

import { everyMember, isJsonObject, isNull, type JsonObject, parseJson } from "./json.ts";

/** Brings keys into the case in which they should be written. */
export interface KeySpelling {
  /** Is it one of the keys, in any case? */
  readonly isKnown: (key: string) => boolean;
  members(members: ReadonlyMap<string, Uint8Array>): Map<string, Uint8Array>;
  /** @param value anything; what is no object is given back as it is */
  object(value: unknown): unknown;
  /** The same without keys that are not known. */
  known(value: unknown): unknown;
  /**
   * Reads an object as Go reads one into a type: a member that is null counts as absent, and of those that mean the same key the last one counts.
   * @throws {CniError} 6 where it is not JSON, 7 where it is not an object
   */
  present(bytes: Uint8Array, where: string): PresentMembers;
}

/** Members of an object by their keys, each as value and as raw bytes (a view into the text). */
export interface PresentMembers {
  readonly object: JsonObject;
  readonly members: ReadonlyMap<string, Uint8Array>;
}

/**
 * For keys that Go reads into a type of its own, which it takes in any case: configurations in use may have them so.
 * @param known the keys as they should be written; others stay as they are
 */
export function keySpelling(known: readonly string[]): KeySpelling {
  const spellings = new Map(known.map((key) => [key.toLowerCase(), key]));
  const spell = (key: string) => spellings.get(key.toLowerCase()) ?? key;
  const isKnown = (key: string) => spellings.has(key.toLowerCase());
  return {
    isKnown,
    members: (members) => new Map(Array.from(members, ([key, raw]) => [spell(key), raw])),
    object: (value) =>
      isJsonObject(value)
        ? Object.fromEntries(Object.entries(value).map(([key, member]) => [spell(key), member]))
        : value,
    known: (value) => {
      if (!isJsonObject(value)) return value;
      const found: [string, unknown][] = [];
      for (const key of Object.keys(value)) if (isKnown(key)) found.push([spell(key), value[key]]);
      return Object.fromEntries(found);
    },
    present(bytes, where) {
      const value = parseJson(bytes, where);
      const last = new Map<string, Uint8Array>();
      const members = new Map<string, Uint8Array>();
      const values = new Map<string, () => unknown>();
      for (const [name, raw] of everyMember(bytes, where)) {
        last.set(name, raw);
        if (isNull(raw)) continue;
        members.set(spell(name), raw);
        // JSON.parse has kept the last of those that are written alike.
        values.set(spell(name), () =>
          isJsonObject(value) && last.get(name) === raw ? value[name] : parseJson(raw, where),
        );
      }
      const object = Object.fromEntries(Array.from(values, ([key, read]) => [key, read()]));
      return { object, members };
    },
  };
}
