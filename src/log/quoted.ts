/**
 * Text from outside in messages and log lines: of bounded length, and on one line. A pod's annotation may have 256 KiB, a plugin's answer 8 MiB; a message that
 * quotes one goes on to logs, events, runtimes and status pages.
 */

/** Characters (UTF-16 units) of a value that are shown. */
export const longestValue = 200;
/** Characters of a whole message: room for several values, and for a list of problems. */
export const longestMessage = 4096;

/** Control characters, and characters that some readers take for line ends. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}]/gu;
const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * The beginning of a text that is too long, with a mark that says how long it was: `abc… (240000 characters)`.
 * @param most characters (UTF-16 units) that are shown; a pair of surrogates is not split
 * @returns a text that keeps nothing else alive: V8 makes a part of a text a view of the whole
 */
export function bounded(text: string, most: number = longestValue): string {
  return text.length <= most ? text : `${beginning(text, most)}… (${text.length} characters)`;
}

/** The same in the quotes of JSON, as a value stands in a message: `"abc…" (240000 characters)`. */
export function quoted(text: string, most: number = longestValue): string {
  if (text.length <= most) return escapeUnprintable(JSON.stringify(text));
  return `${escapeUnprintable(JSON.stringify(`${beginning(text, most)}…`))} (${text.length} characters)`;
}

/** A text without control characters and line ends: they are written as JSON's escapes. */
export function escapeUnprintable(text: string): string {
  return text.replace(unprintable, escapeCharacter);
}

/** Lines for a terminal: what others have written moves no cursor. @param text its line ends stay */
export function printableLines(text: string): string {
  return text.split("\n").map(escapeUnprintable).join("\n");
}

/** A copy of a text that keeps no longer text alive. */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}

function beginning(text: string, most: number): string {
  const last = text.charCodeAt(most - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff;
  return ownText(text.slice(0, isHalf ? most - 1 : most));
}

function escapeCharacter(character: string): string {
  return shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
