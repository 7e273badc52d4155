/** Makes new inputs of old ones: changed bytes, known words, and, for JSON, changed values and keys. */

import type { Random } from "./random.ts";

/** Longer inputs cost time and find little. */
const longest = 16_384;
const tellingBytes = [0x00, 0x0a, 0x1f, 0x22, 0x2c, 0x2d, 0x2f, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x7f];
const tellingHighBytes = [0x80, 0x81, 0x90, 0xa0, 0xc0, 0xc1, 0xc3, 0xc7, 0xd9, 0xdf, 0xe2, 0xed, 0xf0, 0xff];
const telling = [...tellingBytes, ...tellingHighBytes];
const commonWords = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "null",
  "true",
  "1e400",
  "-0",
  "9007199254740993",
  "\\u0000",
  "\\ud800",
  "\ufeff",
  "\u212a",
  "../",
];
const values: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  2 ** 32,
  "",
  "\0",
  "../..",
  "a".repeat(300),
  "\ud800",
  [],
  {},
  [null],
  { constructor: 1 },
];

/**
 * @param corpus inputs so far
 * @param words that the parser knows
 */
export function mutated(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  let bytes = corpus.length === 0 ? Buffer.alloc(0) : random.pick(corpus);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const structured = random.below(3) === 0 ? structurally(bytes, words, random) : undefined;
    bytes = structured ?? bytewise(bytes, corpus, words, random);
  }
  return bytes.subarray(0, longest);
}

function splice(bytes: Buffer, at: number, removed: number, inserted: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

function bytewise(
  bytes: Buffer,
  corpus: readonly Buffer[],
  words: readonly string[],
  random: Random,
): Buffer {
  const at = random.below(bytes.length + 1);
  const span = 1 + random.below(random.below(4) === 0 ? 64 : 8);
  const piece = bytes.subarray(at, at + span);
  switch (random.below(9)) {
    case 0:
      return splice(bytes, at, 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << random.below(8))]));
    case 1:
      return splice(bytes, at, 1, Buffer.from([random.pick(telling)]));
    case 2:
      return splice(bytes, at, span, Buffer.alloc(0));
    case 3:
      return splice(bytes, at, 0, Buffer.concat(Array.from({ length: 1 + random.below(20) }, () => piece)));
    case 4:
      return splice(bytes, at, 0, random.bytes(span));
    case 5:
      return splice(bytes, at, 0, Buffer.from(random.pick([...commonWords, ...words])));
    case 6:
      return bytes.subarray(0, at);
    case 7: {
      const other = corpus.length === 0 ? bytes : random.pick(corpus);
      const from = random.below(other.length + 1);
      return splice(bytes, at, random.below(2) * span, other.subarray(from, from + random.below(200)));
    }
    default: {
      // The end of another behind the beginning of this one.
      const other = corpus.length === 0 ? bytes : random.pick(corpus);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
  }
}

/** One change in a JSON text that stays JSON; undefined where it is none. */
function structurally(bytes: Buffer, words: readonly string[], random: Random): Buffer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
  try {
    return Buffer.from(JSON.stringify(changed(value, words, random)) ?? "null");
  } catch {
    // Too deep for it.
    return undefined;
  }
}

function changed(value: unknown, words: readonly string[], random: Random): unknown {
  if (random.below(5) === 0 || typeof value !== "object" || value === null) return random.pick(values);
  if (random.below(12) === 0) return nested(value, random);
  if (Array.isArray(value)) {
    const at = random.below(value.length);
    if (value.length === 0 || random.below(4) === 0) return [...value, value[at] ?? random.pick(values)];
    return value.toSpliced(at, 1, changed(value[at], words, random));
  }
  const entries = Object.entries(value);
  const at = random.below(entries.length);
  const [key, member] = entries[at] ?? ["", undefined];
  switch (entries.length === 0 ? 0 : random.below(4)) {
    case 0:
      // fromEntries makes a key `__proto__` of it, where an assignment would not.
      return Object.fromEntries([...entries, [random.pick([...commonWords, ...words]), random.pick(values)]]);
    case 1:
      return Object.fromEntries([
        ...entries,
        [random.below(2) === 0 ? key.toUpperCase() : `${key} `, member],
      ]);
    case 2:
      return Object.fromEntries(entries.toSpliced(at, 1));
    default:
      return Object.fromEntries(entries.toSpliced(at, 1, [key, changed(member, words, random)]));
  }
}

function nested(value: unknown, random: Random): unknown {
  let result = value;
  for (let depth = random.below(random.below(8) === 0 ? 3_000 : 20); depth > 0; depth--) {
    result = random.below(2) === 0 ? [result] : { a: result };
  }
  return result;
}
