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

/** What to throw for an error: for an expected one a {@link UserError} with its message, any other as it is. */
export function userErrorOf(error: unknown, advice = ""): unknown {
  return error instanceof ExpectedError ? new UserError(error.message, advice, { cause: error }) : error;
}
