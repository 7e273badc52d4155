/** The problems that a compiled JSON schema finds, as one error with their positions. */

import { bounded, quoted } from "../log/quoted.ts";
import type { TextProblem } from "./input-error.ts";
import { type InputError, textError } from "./input-error.ts";
import { scalarText, valueOffset } from "./json.ts";
import { lineColumn } from "./text-places.ts";

/** One thing wrong, as ajv reports it with `verbose`. */
interface SchemaProblem {
  /** JSON pointer (RFC 6901) to the value. */
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly data?: unknown;
}

/** A validator that tools/build/validators.mjs made. */
export interface SchemaValidator {
  (value: unknown): boolean;
  /** The problems of the last call. */
  errors?: readonly SchemaProblem[] | null;
}

/** Further problems than these are only counted. */
const problemsShown = 3;

/**
 * Checks a parsed document against its schema.
 * @param bytes the text that `value` was parsed from, for line and column
 * @param where names the source in errors
 * @throws {InputError} of kind "content": `where: delegates[0].name must be string, is 12 (line 3, column 5)`
 */
export function checkSchema(
  validate: SchemaValidator,
  value: unknown,
  bytes: Uint8Array,
  where: string,
): void {
  if (validate(value)) return;
  const problems = validate.errors ?? [];
  const shown = problems.slice(0, problemsShown).map((problem) => describe(problem, bytes));
  if (problems.length > shown.length) shown.push({ message: `and ${problems.length - shown.length} more` });
  throw textError("content", where, shown);
}

/**
 * The error for one value that a schema cannot judge.
 * @param path names of members and indexes of elements from the document to the value
 * @param message what it must be: "must be a MAC address"
 */
export function invalidValue(
  bytes: Uint8Array,
  where: string,
  path: readonly string[],
  message: string,
  value: unknown,
): InputError {
  const problem = describeValue(bytes, path, `${message}, is ${shorten(value)}`);
  return textError("content", where, [problem]);
}

function describe(problem: SchemaProblem, bytes: Uint8Array): TextProblem {
  const message = problem.keyword === "type" ? problem.message?.replaceAll(",", " or ") : problem.message;
  // Where something is missing the value is the whole object around it, which says nothing.
  const value = problem.keyword === "required" ? "" : `, is ${shorten(problem.data)}`;
  return describeValue(bytes, pointerSteps(problem.instancePath), `${message ?? "is not valid"}${value}`);
}

function describeValue(bytes: Uint8Array, path: readonly string[], message: string): TextProblem {
  return { message: `${pathText(path)} ${message}`, ...lineColumn(bytes, valueOffset(bytes, path)) };
}

/** `["delegates", "0", "name"]` as `delegates[0].name`; the document itself is `it`. */
function pathText(path: readonly string[]): string {
  if (path.length === 0) return "it";
  return path
    .map((step, index) => {
      if (/^\d+$/.test(step)) return `[${step}]`;
      if (!/^[\w-]+$/.test(step)) return `[${quoted(step)}]`;
      return index === 0 ? bounded(step) : `.${bounded(step)}`;
    })
    .join("");
}

function pointerSteps(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** A value as it may stand in a message. Containers by kind only: their text may be long or too deep to write. */
function shorten(value: unknown): string {
  return typeof value === "string" ? quoted(value) : scalarText(value);
}
