/** JSON texts as people and programs write them: blanks anywhere, escapes, odd numbers, duplicate keys. */

import fc from "fast-check";

const blank = fc.oneof(
  { weight: 12, arbitrary: fc.constant("") },
  { weight: 3, arbitrary: fc.constant(" ") },
  fc.constantFrom("\n", "\n      ", "\t", "\r\n", " \n\t \r ", " ".repeat(40), `\n${"\t".repeat(33)}`),
);

/** Numbers whose spelling says more than a double holds, or says it in another way. */
const numberText = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
  fc.constantFrom(
    "18446744073709551615",
    "-0",
    "1.10",
    "1e5",
    "1E+05",
    "-0.0e-0",
    "0.1e1000",
    "9007199254740993",
  ),
);

/** Texts of every length up to a few SIMD widths, with everything that must be escaped and nothing but ASCII in most. */
export const characters = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 40 }) },
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom(
    "",
    '"',
    "\\",
    '\\\\"',
    "\n\t\b\f\r/",
    "\u0000\u001f",
    "a".repeat(300),
    `${"x".repeat(63)}"`,
    "é".repeat(50),
  ),
);

/**
 * Keys. None starts with a backslash: once Node 24 has parsed {"t":0,"\\":0} it reads {"t":0,"\u0061":0} as having a key "\" too
 * (it compares what is written with the key it expects next), and every JSON.parse of the process then says something else
 * than the text does.
 */
export const keys = characters.filter((text) => !text.startsWith("\\"));

/** Spells a string: as JSON.stringify does, or with some characters as \u escapes. */
function spelling(text: string): fc.Arbitrary<string> {
  const plain = JSON.stringify(text);
  const escaped = (upper: boolean): string =>
    `"${[...text].map((character, index) => (index % 3 === 1 ? plainCharacter(character) : escapes(character, upper))).join("")}"`;
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant(plain) },
    fc.boolean().map(escaped),
    fc.constant(plain.replaceAll("/", "\\/")),
  );
}

function plainCharacter(character: string): string {
  return JSON.stringify(character).slice(1, -1);
}

function escapes(character: string, upper: boolean): string {
  return Array.from({ length: character.length }, (_, index) => {
    const digits = character.charCodeAt(index).toString(16).padStart(4, "0");
    return `\\u${upper ? digits.toUpperCase() : digits}`;
  }).join("");
}

export function stringText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return text.chain(spelling);
}

/** Puts blanks around the items of a container and commas between them. */
export function containerText(
  open: string,
  items: fc.Arbitrary<readonly string[]>,
  close: string,
): fc.Arbitrary<string> {
  return fc
    .tuple(items, blank, blank, blank)
    .map(
      ([texts, before, after, inside]) =>
        `${open}${texts.length === 0 ? inside : before}${texts.join(`${after},${before}`)}${after}${close}`,
    );
}

/** A member: key, colon, value. */
export function memberText(key: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(stringText(key), blank, blank, value)
    .map(([name, before, after, text]) => `${name}${before}:${after}${text}`);
}

/** Any JSON value. Keys repeat now and then. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    stringText(characters),
    numberText,
    fc.constantFrom("true", "false", "null"),
    containerText("[", fc.array(tie("value"), { maxLength: 5 }), "]"),
    containerText(
      "{",
      fc.array(memberText(fc.oneof(keys, fc.constantFrom("a", "b")), tie("value")), { maxLength: 5 }),
      "}",
    ),
  ),
})).value;

/**
 * An object of one's own, blanks around it.
 * @param often members of which each is there nine times of ten
 * @param others at most `maxLength` of these are there, the same one more than once perhaps
 */
export function objectText(
  often: readonly fc.Arbitrary<string>[],
  others: readonly fc.Arbitrary<string>[],
  maxLength: number,
): fc.Arbitrary<string> {
  const members = fc
    .tuple(
      fc.tuple(...often.map((member) => fc.option(member, { freq: 10, nil: undefined }))),
      fc.array(fc.oneof(...others), { maxLength }),
      fc.nat({ max: often.length + maxLength }),
    )
    .map(([some, more, turn]) => {
      const all = [...some.filter((text) => text !== undefined), ...more];
      return [...all.slice(turn), ...all.slice(0, turn)];
    });
  return fc
    .tuple(containerText("{", members, "}"), blank, blank)
    .map(([text, before, after]) => `${before}${text}${after}`);
}

/** A value that says the same for the same JSON, whatever the order of its keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`,
    );
    return `{${members.sort().join(",")}}`;
  }
  // JSON.stringify says 0 for -0, as it should here: both sides have it from the same text.
  return JSON.stringify(value);
}
