/** An error that the user can fix: printed with advice, without a stack. */

export class UserError extends Error {
  override readonly name = "UserError";
  /** Advice for the user; "" for none. */
  readonly advice: string;

  constructor(message: string, advice = "", options?: ErrorOptions) {
    super(message, options);
    this.advice = advice;
  }
}
