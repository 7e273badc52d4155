/** The one error type that reaches a runtime: a CNI error object with its code. */

import { errorText } from "../log/error-text.ts";
import { bounded, longestMessage } from "../log/quoted.ts";

/** Error codes of the CNI spec ("Error", section 5 "Result types"), and 999 as libcni and Go multus use it. */
export const CniErrorCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidNetworkConfig: 7,
  tryAgainLater: 11,
  pluginNotAvailable: 50,
  limitedConnectivity: 51,
  internal: 999,
} as const;

/** A place in a text; both from 1, columns in characters. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong with a text, and where; without a place where it is about the whole. */
export interface TextProblem extends Partial<TextPlace> {
  readonly message: string;
}

/** Characters of details, which are a plugin's own: the runtime keeps them in events, logs and gRPC messages. */
const longestDetails = 16_384;

/** An error as the runtime sees it, of bounded length. `code` is one of CniErrorCode or a delegate's own (≥ 100). */
export class CniError extends Error {
  override readonly name = "CniError";
  readonly code: number;
  /** Longer text; empty if there is none. */
  readonly details: string;
  /** The problems of a text, one by one; the message has them all too. Empty where the error is of another kind. */
  readonly problems: readonly TextProblem[];

  constructor(
    code: number,
    message: string,
    details = "",
    options?: ErrorOptions & { readonly problems?: readonly TextProblem[] },
  ) {
    super(bounded(message, longestMessage), options);
    this.code = code;
    this.details = bounded(details, longestDetails);
    this.problems = options?.problems ?? [];
  }
}

/**
 * The error for a text: `where: is wrong (line 1, column 5); so is this (line 2, column 3)`.
 * @param where names the text's source
 */
export function textError(
  code: number,
  where: string,
  problems: readonly TextProblem[],
  options?: ErrorOptions,
): CniError {
  const texts = problems.map(({ message, line, column }) =>
    line === undefined ? message : `${message} (line ${line}, column ${column})`,
  );
  return new CniError(code, `${where}: ${texts.join("; ")}`, "", { ...options, problems });
}

/**
 * The error object for stdout (spec section 5, "Error").
 * @param cniVersion the version that the runtime's netconf names, "" if it could not be read
 */
export function errorJson(error: CniError, cniVersion: string): string {
  return JSON.stringify({
    ...(cniVersion === "" ? {} : { cniVersion }),
    code: error.code,
    msg: error.message,
    ...(error.details === "" ? {} : { details: error.details }),
  });
}

/**
 * The error for a file that cannot be read or written.
 * @param action what was tried: "read", "write", …
 * @param cause what the file system answered; its text has the path
 */
export function ioFailure(action: string, path: string, cause: unknown): CniError {
  return new CniError(CniErrorCode.ioFailure, `cannot ${action} ${path}: ${errorText(cause)}`, "", { cause });
}
