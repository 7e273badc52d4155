/** Removes what looks like a secret from texts that leave a cluster. The first defence is not to read secrets at all; this is the second, for logs and messages of others. */

import { isJsonObject } from "../../base/json.ts";

const removed = "(removed)";

/**
 * Names of values that are secrets: of JSON and YAML keys, options and variables. Each pattern here begins where no earlier character could, and its repetitions are bounded or end at
 * what cannot repeat: a log of megabytes that somebody has written for it takes no longer than another one.
 */
const secretWords =
  "[\\w.-]{0,100}(?:token|secret|password|passwd|passphrase|credential|api[_-]?key|access[_-]?key|private[_-]?key|client-key-data|certificate-data|certificate-authority-data|authorization|bearer|cookie)[\\w.-]{0,100}";
const secretName = new RegExp(`^${secretWords}$|headers$`, "i");

const patterns: readonly (readonly [RegExp, string])[] = [
  // Keys and certificates, on lines of their own or in one with escaped line ends; also without their end.
  [/-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,40}-----|$)/g, removed],
  // The same in base64, as kubeconfigs have it.
  [/LS0tLS1CRUdJTi[\w+/=]*/g, removed],
  // JSON Web Tokens.
  [/(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, removed],
  [/\b(bearer|basic)\s{1,20}[\w.~+/=-]{4,}/gi, `$1 ${removed}`],
  // User and password of an address.
  [/((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@"']{1,1000}@/gi, `$1${removed}@`],
  // "token":"…", token: …, --token=…, TOKEN=…; quotes may be escaped.
  [
    new RegExp(
      `(\\\\?["']?(?<![\\w.-])${secretWords}\\\\?["']?\\s{0,20}[:=]\\s{0,20})(?:\\\\?"(?:[^"\\\\]|\\\\[^"])*\\\\?"|'[^']*'|[^\\s,;}"']+)`,
      "gi",
    ),
    `$1${removed}`,
  ],
];

/** @param text of any length, with or without secrets */
export function redactText(text: string): string {
  return patterns.reduce((rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement), text);
}

/** The same in every text of a parsed JSON value; values of keys with the name of a secret are removed whole. */
export function redactJson(value: unknown): unknown {
  if (typeof value === "string") return redactText(value);
  if (Array.isArray(value)) return value.map(redactJson);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      redactText(key),
      secretName.test(key) && member !== "" && typeof member !== "boolean" ? removed : redactJson(member),
    ]),
  );
}
