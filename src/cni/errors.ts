/** The one error type that reaches a runtime: a CNI error object with its code. */

import { errorText } from "../log/error-text.ts";

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

/** An error as the runtime sees it. `code` is one of CniErrorCode or a delegate's own (≥ 100). */
export class CniError extends Error {
  override readonly name = "CniError";
  readonly code: number;
  /** Longer text; empty if there is none. */
  readonly details: string;

  constructor(code: number, message: string, details = "", options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
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

/** Is it the file system's "there is no such file"? */
export function isMissingFile(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
