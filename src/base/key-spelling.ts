/** Keys of JSON objects as Go reads them: in any case, the exact one first, null as absent. */

import { everyMember, isJsonObject, isNull, type JsonObject, parseJson } from "./json.ts";

/** Brings keys into the case in which they should be written. */
export interface KeySpelling {
  /** Is it one of the keys, in any case? */
  readonly isKnown: (key: string) => boolean;
  /** @param members as fieldMembers gives them */
  members(members: ReadonlyMap<string, Uint8Array>): Map<string, Uint8Array>;
  /** @param value anything; what is no object is given back as it is */
  object(value: unknown): unknown;
  /** The same without keys that are not known. */
  known(value: unknown): unknown;
  /** Without those known keys whose value is an empty string: Go does not tell them from missing ones. @param object its keys spelled */
  set(object: JsonObject): JsonObject;
  /**
   * Reads an object as Go reads one into a type: a member that is null counts as absent.
   * @param isWanted tells those that are wanted by their names as they are written; undefined: all
   * @throws {InputError} where it is not JSON, or not an object
   */
  present(bytes: Uint8Array, where: string, isWanted?: (name: string) => boolean): PresentMembers;
}

/** Members of an object by their keys, each as value and as raw bytes (a view into the text). */
export interface PresentMembers {
  readonly object: JsonObject;
  readonly members: ReadonlyMap<string, Uint8Array>;
}

/**
 * For keys that Go reads into a type of its own, which it takes in any case: configurations in use may have them so. Of members that mean the same key the one in the key's own
 * case counts, else the last one; a member that is null counts where there is no other. The kernels read configurations in the same way (assembly/config/outline.ts).
 * @param known the keys as they should be written; others stay as they are
 */
export function keySpelling(known: readonly string[]): KeySpelling {
  const spellings = new Map(known.map((key) => [key.toLowerCase(), key]));
  const spell = (key: string) => spellings.get(key.toLowerCase()) ?? key;
  const isKnown = (key: string) => spellings.has(key.toLowerCase());
  const object = (value: JsonObject) =>
    Object.fromEntries(counting(Object.entries(value), spell, isNullValue));
  return {
    isKnown,
    members: (members) => counting(members, spell, isNull),
    object: (value) => (isJsonObject(value) ? object(value) : value),
    known: (value) =>
      isJsonObject(value)
        ? object(Object.fromEntries(Object.entries(value).filter(([key]) => isKnown(key))))
        : value,
    set: (given) =>
      Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== "" || !isKnown(key))),
    present(bytes, where, isWanted) {
      const value = parseJson(bytes, where);
      const last = new Map<string, Uint8Array>();
      const present: [string, { readonly name: string; readonly raw: Uint8Array }][] = [];
      for (const [name, raw] of everyMember(bytes, where, isWanted)) {
        last.set(name, raw);
        if (!isNull(raw)) present.push([name, { name, raw }]);
      }
      const members = new Map<string, Uint8Array>();
      const values: [string, unknown][] = [];
      for (const [key, { name, raw }] of counting(present, spell, () => false)) {
        members.set(key, raw);
        // JSON.parse has kept the last of those that are written alike.
        const isLast = isJsonObject(value) && last.get(name) === raw;
        values.push([key, isLast ? value[name] : parseJson(raw, where)]);
      }
      return { object: Object.fromEntries(values), members };
    },
  };
}

const isNullValue = (value: unknown) => value === null;

/** Of entries whose keys mean the same, the one that counts. */
function counting<Value>(
  entries: Iterable<readonly [string, Value]>,
  spell: (key: string) => string,
  isAbsent: (value: Value) => boolean,
): Map<string, Value> {
  const found = new Map<string, Value>();
  const exact = new Set<string>();
  for (const [key, value] of entries) {
    const spelled = spell(key);
    const isExact = key === spelled;
    const before = found.get(spelled);
    const isWorse = isAbsent(value) || (exact.has(spelled) && !isExact);
    if (before !== undefined && isWorse && !isAbsent(before)) continue;
    found.set(spelled, value);
    if (isExact && !isAbsent(value)) exact.add(spelled);
  }
  return found;
}
