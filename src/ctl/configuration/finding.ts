/** What validate has to say about a file, with the place, taken from the errors that the daemon itself would give. */

import { CniError } from "../../cni/errors.ts";
import type { Position, ValuePath } from "./position.ts";

export interface Finding extends Position {
  readonly file: string;
  readonly severity: "error" | "warning";
  readonly message: string;
}

/** Places in the file of what an error is about. */
export interface Places {
  /** The place of a line and column of the text that was checked; undefined where that text is not in the file as it stands. */
  inside(inner: Position): Position | undefined;
  /** The place of the value at a path of the document that was checked; undefined where there is none. */
  of(path: ValuePath): Position | undefined;
  /** The place of the document that was checked. */
  readonly whole: Position;
}

/** A field as errors name it: `plugins[0].ipam`. */
const fieldInMessage = /[A-Za-z][\w-]*(?:\[\d+\]|\.[A-Za-z][\w-]*)*/g;

/**
 * The problems that an error names, each with its place in the file.
 * @param error what a parser threw; anything but a CniError is thrown again
 * @param where the name that the parser was given for its source; taken off the message
 */
export function problemsOf(
  error: unknown,
  where: string,
  places: Places,
): (Position & { readonly message: string })[] {
  if (!(error instanceof CniError)) throw error;
  const text = error.message.startsWith(`${where}: `) ? error.message.slice(where.length + 2) : error.message;
  const problems = error.problems.length > 0 ? error.problems : [{ message: text }];
  return problems.map(({ message, line, column }) => {
    if (line === undefined || column === undefined) {
      return { message, ...(placeOfField(message, places) ?? places.whole) };
    }
    const place = places.inside({ line, column });
    if (place !== undefined) return { message, ...place };
    // Where the place cannot be mapped the message has it, and the place is that of the text that it counts in.
    return { message: `${message} (line ${line}, column ${column})`, ...places.whole };
  });
}

/** The place of the first field that the message names and the document has. */
function placeOfField(message: string, places: Places): Position | undefined {
  for (const [field] of message.matchAll(fieldInMessage)) {
    const path = field.split(/[.[\]]+/).filter((step) => step !== "");
    const place = places.of(path.map((step) => (/^\d+$/.test(step) ? Number(step) : step)));
    if (place !== undefined) return place;
  }
  return undefined;
}

/** `file:line:column: error: message`, as compilers print it and editors follow it. */
export function formatFinding(finding: Finding): string {
  return `${finding.file}:${finding.line}:${finding.column}: ${finding.severity}: ${finding.message}`;
}
