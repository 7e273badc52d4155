/** Errors of texts and files from outside: they are for the operator, and no defect of the program. */

import { errorText } from "../log/error-text.ts";
import { bounded, longestMessage } from "../log/quoted.ts";
import type { TextPlace } from "./text-places.ts";

/** One thing that is wrong with a text, and where; without a place where it is about the whole. */
export interface TextProblem extends Partial<TextPlace> {
  readonly message: string;
}

/** An error that callers expect: its message, of bounded length, is for the operator. Any other error is a defect of the program. */
export class ExpectedError extends Error {
  /** The problems of a text, one by one; the message has them all too. Empty where the error is of another kind. */
  readonly problems: readonly TextProblem[];

  constructor(message: string, options?: ErrorOptions & { readonly problems?: readonly TextProblem[] }) {
    super(bounded(message, longestMessage), options);
    this.problems = options?.problems ?? [];
  }
}

/** `syntax`: it is not of its format (not JSON). `content`: a value in it is wrong, or missing. `file`: it cannot be read or written. */
export type InputErrorKind = "syntax" | "content" | "file";

/** An input that cannot be used. The message names its source: a file and a field, an object, an annotation. */
export class InputError extends ExpectedError {
  override readonly name = "InputError";
  readonly kind: InputErrorKind;

  constructor(
    kind: InputErrorKind,
    message: string,
    options?: ErrorOptions & { readonly problems?: readonly TextProblem[] },
  ) {
    super(message, options);
    this.kind = kind;
  }
}

/**
 * The error for a text: `where: is wrong (line 1, column 5); so is this (line 2, column 3)`.
 * @param where names the text's source
 */
export function textError(
  kind: InputErrorKind,
  where: string,
  problems: readonly TextProblem[],
  options?: ErrorOptions,
): InputError {
  return new InputError(kind, problemsText(where, problems), { ...options, problems });
}

/** The message of an error for a text. */
export function problemsText(where: string, problems: readonly TextProblem[]): string {
  const texts = problems.map(({ message, line, column }) =>
    line === undefined ? message : `${message} (line ${line}, column ${column})`,
  );
  return `${where}: ${texts.join("; ")}`;
}

/**
 * The error for a file that cannot be read or written.
 * @param action what was tried: "read", "write", …
 * @param cause what the file system answered; its text has the path
 */
export function ioFailure(action: string, path: string, cause: unknown): InputError {
  return new InputError("file", `cannot ${action} ${path}: ${errorText(cause)}`, { cause });
}

/** Does `work` with a file. @param action as {@link ioFailure} has it @throws {InputError} of kind "file", in place of every error of `work` */
export function ioAction<Value>(action: string, path: string, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    throw ioFailure(action, path, error);
  }
}
