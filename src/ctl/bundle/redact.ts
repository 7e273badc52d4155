/** Removes what looks like a secret from texts that leave a cluster. The first defence is not to read secrets at all; this is the second, for logs and messages of others. */

import { isJsonObject } from "../../base/json.ts";

const removed = "(removed)";

/**
 * Names of values that are secrets: of JSON and YAML keys, options and variables. Each pattern here begins where no earlier character could, and its repetitions are bounded or end at
 * what cannot repeat: a log of megabytes that somebody has written for it takes no longer than another one.
 */
const secretWords =
  "[\\w.-]{0,100}(?:token|secret|password|passwd|passphrase|pwd|credential|api[_-]?key|access[_-]?key|private[_-]?key|client-key-data|certificate-data|certificate-authority-data|authorization|bearer|cookie)[\\w.-]{0,100}";
const secretName = new RegExp(`^${secretWords}$|headers$`, "i");
/** An option whose value is the next word. */
const secretOption = new RegExp(`^--?${secretWords}$`, "i");

/** Before a word: no character of a word, other than that of an escape (`\n`, `%20`). */
const wordStart = "(?:(?<![\\w-])|(?<=\\\\[nrt]|%[0-9a-f]{2}))";
/** Where a name ends: quotes, in text of JSON with a backslash for each text that it is in, and a colon or an equals sign. */
const nameEnd = `\\\\{0,15}["']?\\s{0,20}[:=]\\s{0,20}`;

/** In quotes: to the quote with as many backslashes before it as the first one has, as one with more is part of the text; to the end where the text breaks off. */
const inQuotes = `(?<escape>\\\\{0,15})"(?:[^"\\\\]|(?<!\\\\)\\k<escape>\\\\+"|\\\\+(?=[^"\\\\]|$))*(?:\\\\*"|$)|'[^'\\r\\n]*'?`;
const listOrObject = "\\[[^\\]\\r\\n]*\\]?|\\{[^}\\r\\n]*\\}?";
/** A word without quotes has commas and brackets in it: passwords have. A quote ends it, with its backslashes. */
const word = `(?:[^\\s"\\\\]|\\\\(?!\\\\{0,15}"))+`;
/** To the end of the line, or of the text that it is in. */
const restOfLine = `(?:[^\\r\\n"\\\\]|"(?!\\s{0,3}(?:[,}\\]]|$))|\\\\(?!\\\\{0,15}["nr]))+`;

const patterns: readonly (readonly [RegExp, string])[] = [
  // Keys and certificates, on lines of their own or in one with escaped line ends; also without their end.
  [/-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,40}-----|$)/g, removed],
  // The same in base64, as kubeconfigs have it.
  [/LS0tLS1CRUdJTi[\w+/=]*/g, removed],
  // JSON Web Tokens.
  [new RegExp(`${wordStart}eyJ[\\w-]+\\.[\\w-]+(?:\\.[\\w-]*)?`, "g"), removed],
  // Headers have parts, with blanks between them.
  [
    new RegExp(
      `((?<![\\w.-])[\\w.-]{0,100}(?:authorization|cookie)${nameEnd})(?:${inQuotes}|\\[[^\\r\\n]*|${restOfLine})`,
      "gi",
    ),
    `$1${removed}`,
  ],
  [new RegExp(`${wordStart}(bearer|basic)\\s{1,20}[\\w.~+/=-]{4,}`, "gi"), `$1 ${removed}`],
  // User and password of an address.
  [/((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/"']{1,1000}@/gi, `$1${removed}@`],
  // "token":"…", token: …, --token=…, TOKEN=…; quotes may be escaped.
  [
    new RegExp(`((?<![\\w.-])${secretWords}${nameEnd})(?:${inQuotes}|${listOrObject}|${word})`, "gi"),
    `$1${removed}`,
  ],
  // --token …
  [new RegExp(`((?<![\\w.-])--?${secretWords}\\s{1,20})(?!-)(?:${inQuotes}|${word})`, "gi"), `$1${removed}`],
];

/** @param text of any length, with or without secrets */
export function redactText(text: string): string {
  const whole = patterns.reduce(
    (rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement),
    text,
  );
  return withoutEndsOfKeys(whole);
}

const keyEnd = /-----END [A-Z0-9 ]{1,40}-----/g;
/** A line of a key up to its end, or the beginning of one, each with the time that the API server writes before it. */
const keyLine = /(?:^|\n)((?:\d{4}-\S{1,60} )?[\w+/=\\]{0,200}\r?)$/;
/** Characters that may match it, and one more. */
const longestKeyLine = 270;

/** A log begins in the middle of a key: its last lines, whose begin is not there. */
function withoutEndsOfKeys(text: string): string {
  let kept = "";
  let from = 0;
  for (const { 0: end, index } of text.matchAll(keyEnd)) {
    let start = index;
    for (let at = index; at > from; at = start - 1) {
      const [, line] = keyLine.exec(text.slice(Math.max(from, at - longestKeyLine), at)) ?? [];
      if (line === undefined || (line === "" && at < index)) break;
      start = at - line.length;
    }
    kept += `${text.slice(from, start)}${removed}`;
    from = index + end.length;
  }
  return kept + text.slice(from);
}

/** The same in every text of a parsed JSON value; values of keys with the name of a secret are removed whole. @param value not deep */
export function redactJson(value: unknown): unknown {
  if (typeof value === "string") return redactText(value);
  if (Array.isArray(value)) {
    return value.map((element: unknown, index) => {
      const before: unknown = value[index - 1];
      const isOfOption =
        typeof element === "string" && typeof before === "string" && secretOption.test(before);
      return isOfOption ? removed : redactJson(element);
    });
  }
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      redactText(key),
      secretName.test(key) && member !== "" && typeof member !== "boolean" ? removed : redactJson(member),
    ]),
  );
}
