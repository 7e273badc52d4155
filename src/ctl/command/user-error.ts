/** An error that the user can fix: printed with advice, without a stack. */

import { ExpectedError } from "../../base/input-error.ts";

export class UserError extends Error {
  override readonly name = "UserError";
  /** Advice for the user; "" for none. */
  readonly advice: string;
  /** Of the process that it ends. */
  readonly exitCode: number;

  constructor(message: string, advice = "", options: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options);
    this.advice = advice;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** The error to throw: a {@link UserError} for an expected error, any other unchanged. */
export function userErrorOf(error: unknown, advice = ""): unknown {
  return error instanceof ExpectedError ? new UserError(error.message, advice, { cause: error }) : error;
}
