/** Maps the daemon's own errors, and the findings of checks, to places in a file. */

import { ExpectedError } from "../../base/input-error.ts";
import type { Finding, Position } from "../text/finding.ts";
import type { ValuePath } from "./position.ts";

/** A finding about a file's text, which it names as its subject. */
export interface TextFinding extends Finding {
  readonly place: Position;
}

/** A problem in a text, and its place. */
export interface Problem {
  readonly message: string;
  readonly place: Position;
}

/** Finds places in a file. */
export interface Places {
  /** The place of a line and column of the checked text; undefined if the file does not contain that text verbatim. */
  inside(inner: Position): Position | undefined;
  /** The place of the value at a path of the checked document; undefined if there is none. */
  of(path: ValuePath): Position | undefined;
  /** The place of the checked document. */
  readonly whole: Position;
}

/** Places of a document that is a file by itself. @param whole its beginning @param locate finds a value in it */
export function ownPlaces(
  whole: Position = { line: 1, column: 1 },
  locate: Places["of"] = () => undefined,
): Places {
  return { whole, of: locate, inside: (inner) => inner };
}

/** A field in the form of error messages: `plugins[0].ipam`. */
const fieldInMessage = /[A-Za-z][\w-]*(?:\[\d+\]|\.[A-Za-z][\w-]*)*/g;

/**
 * The problems that an error names, each with its place in the file.
 * @param error a parser's error; a defect of the program is rethrown
 * @param where the name that the parser was given for its source; taken off the message
 */
export function problemsOf(error: unknown, where: string, places: Places): Problem[] {
  if (!(error instanceof ExpectedError)) throw error;
  const problems =
    error.problems.length > 0 ? error.problems : [{ message: withoutSource(error.message, where) }];
  return problems.map(({ message, line, column }) => {
    if (line === undefined || column === undefined) {
      return { message, place: placeOfField(message, places) ?? places.whole };
    }
    const place = places.inside({ line, column });
    if (place !== undefined) return { message, place };
    // If the place cannot be mapped, the message keeps it, and the finding gets the place of the whole text.
    return { message: `${message} (line ${line}, column ${column})`, place: places.whole };
  });
}

/** The source of findings: a file, by its name in messages, and the places in it. */
export interface Source {
  readonly file: string;
  readonly places: Places;
}

/** @param path of the value that it is about */
export function findingAt(
  { file, places }: Source,
  severity: TextFinding["severity"],
  code: TextFinding["code"],
  message: string,
  path: ValuePath = [],
): TextFinding {
  return { code, severity, subject: file, place: places.of(path) ?? places.whole, message, remedy: "" };
}

/** {@link problemsOf} as findings. */
export function refusals(error: unknown, where: string, { file, places }: Source): TextFinding[] {
  return problemsOf(error, where, places).map(({ message, place }) =>
    findingAt({ file, places: ownPlaces(place) }, "error", "refused", message),
  );
}

/** A daemon's message without the name of its source. */
export function withoutSource(message: string, where: string): string {
  return message.startsWith(`${where}: `) ? message.slice(where.length + 2) : message;
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
