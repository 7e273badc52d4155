/** An error that the user can fix: printed with advice, without a stack. */

import { ExpectedError } from "../../base/input-error.ts";

export class UserError extends Error {
  override readonly name = "UserError";
  /** Advice for the user; "" for none. */
  readonly advice: string;

  constructor(message: string, advice = "", options?: ErrorOptions) {
    super(message, options);
    this.advice = advice;
  }
}

/** The error to throw: a {@link UserError} for an expected error, any other unchanged. */
export function userErrorOf(error: unknown, advice = ""): unknown {
  return error instanceof ExpectedError ? new UserError(error.message, advice, { cause: error }) : error;
}
