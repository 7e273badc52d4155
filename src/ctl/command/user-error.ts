/** An error that the user can do something about: said without a stack, with what to do. */

export class UserError extends Error {
  override readonly name = "UserError";
  /** What to do about it; "" if there is nothing to say. */
  readonly advice: string;

  constructor(message: string, advice = "", options?: ErrorOptions) {
    super(message, options);
    this.advice = advice;
  }
}
