/**
 * The text of a log line. Values come from outside (pod names, plugins' stderr): nothing in them may start a line of its own or pass
 * for another field.
 */

import type { LogFields, LogLevel } from "./logger.ts";
import { bounded, escapeUnprintable, longestMessage, longestValue } from "./quoted.ts";

/** Values that need no quotes. */
const plain = /^[^\s"=\\\p{Cc}]+$/u;

/** Fields that are whole messages, lists made here, or paths: as long as a message may be. All others end where a value does. */
const messageFields: ReadonlySet<string> = new Set([
  "error",
  "problem",
  "reason",
  "because",
  "why",
  "text",
  "networks",
  "stderr",
  "file",
  "directory",
  "path",
]);

function formatValue(key: string, value: string | number | boolean): string {
  if (typeof value === "boolean") return String(value);
  // Durations are what most numbers are: a hundredth of a millisecond is enough.
  if (typeof value === "number") return String(Math.round(value * 100) / 100);
  const text = bounded(value, messageFields.has(key) ? longestMessage : longestValue);
  return plain.test(text) ? text : escapeUnprintable(JSON.stringify(text));
}

/** ` key=value …`, quoted like JSON strings where needed, of bounded length; nothing for a value that is undefined. */
export function formatFields(fields: LogFields): string {
  let text = "";
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${key}=${formatValue(key, value)}`;
  }
  return text;
}

/**
 * One line with its line end: `2026-11-23T12:34:56.789Z [verbose] message key=value`.
 * @param fields as formatFields made them
 */
export function formatLine(time: Date, level: LogLevel, message: string, fields: string): string {
  return `${time.toISOString()} [${level}] ${escapeUnprintable(bounded(message, longestMessage))}${fields}\n`;
}
