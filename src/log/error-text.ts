/** A thrown value as text: JavaScript lets anything be thrown. */

/** Its message. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Its message and stack, for unexpected errors. */
export function errorStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
