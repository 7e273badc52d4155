/**
 * The text of a log line. Values come from outside (pod names, plugins' stderr): nothing in them may start a line of its own or pass
 * for another field.
 */

import type { LogFields, LogLevel } from "./logger.ts";

/** Control characters and what some readers take for line ends. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}]/gu;
/** What can stand without quotes. */
const plain = /^[^\s"=\\\p{Cc}]+$/u;
const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeCharacter(character: string): string {
  return shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function formatValue(value: string | number | boolean): string {
  if (typeof value === "boolean") return String(value);
  // Durations are what most numbers are: a hundredth of a millisecond is enough.
  if (typeof value === "number") return String(Math.round(value * 100) / 100);
  return plain.test(value) ? value : JSON.stringify(value).replace(unprintable, escapeCharacter);
}

/** ` key=value …`, quoted like JSON strings where needed; nothing for a value that is undefined. */
export function formatFields(fields: LogFields): string {
  let text = "";
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${key}=${formatValue(value)}`;
  }
  return text;
}

/**
 * One line with its line end: `2026-11-23T12:34:56.789Z [verbose] message key=value`.
 * @param fields as formatFields made them
 */
export function formatLine(time: Date, level: LogLevel, message: string, fields: string): string {
  return `${time.toISOString()} [${level}] ${message.replace(unprintable, escapeCharacter)}${fields}\n`;
}
