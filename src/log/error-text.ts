/** What was thrown, as text: JavaScript lets anything be thrown. */

/** What it says. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What it says and where it comes from, for errors that nobody expected. */
export function errorStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
