/** The one error type that reaches a runtime: a CNI error object with its code. */

import {
  ExpectedError,
  InputError,
  type InputErrorKind,
  problemsText,
  type TextProblem,
} from "../base/input-error.ts";
import { bounded } from "../log/quoted.ts";

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

/** Characters of details, which are a plugin's own: the runtime keeps them in events, logs and gRPC messages. */
const longestDetails = 16_384;

/** An error as the runtime sees it, of bounded length. `code` is one of CniErrorCode or a delegate's own (≥ 100). */
export class CniError extends ExpectedError {
  override readonly name = "CniError";
  readonly code: number;
  /** Longer text; empty if there is none. */
  readonly details: string;

  constructor(
    code: number,
    message: string,
    details = "",
    options?: ErrorOptions & { readonly problems?: readonly TextProblem[] },
  ) {
    super(message, options);
    this.code = code;
    this.details = bounded(details, longestDetails);
  }
}

/** Code 7: what a configuration or an annotation asks for cannot be done. */
export function configError(message: string): CniError {
  return new CniError(CniErrorCode.invalidNetworkConfig, message);
}

/** Code 4: a CNI_ variable is missing or wrong. */
export function environmentError(message: string): CniError {
  return new CniError(CniErrorCode.invalidEnvironment, message);
}

/** The codes of what is wrong with an input. */
const inputCodes: Readonly<Record<InputErrorKind, number>> = {
  syntax: CniErrorCode.decodingFailure,
  content: CniErrorCode.invalidNetworkConfig,
  file: CniErrorCode.ioFailure,
};

/** A caught error as a runtime gets to see it: a CniError as it is, an InputError with the code of its kind. undefined: it is a defect of the program. */
export function cniErrorOf(error: unknown): CniError | undefined {
  if (error instanceof CniError) return error;
  if (!(error instanceof InputError)) return undefined;
  return new CniError(inputCodes[error.kind], error.message, "", { cause: error, problems: error.problems });
}

/** The error for a version in a text that is not supported. @param where names the text's source */
export function versionError(where: string, problem: TextProblem): CniError {
  const problems = [problem];
  const { incompatibleVersion } = CniErrorCode;
  return new CniError(incompatibleVersion, problemsText(where, problems), "", { problems });
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
