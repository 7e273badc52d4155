/** Why the API server forbids something (403): a right is missing, the server is only starting, or somebody else is in the way. */

import { ApiError } from "./api.ts";

/**
 * Has the daemon no right to do this? Admission forbids as well: in a namespace that is being deleted, beyond a quota, by a webhook. The server
 * says it in the text only, in the same words whatever decides about rights.
 */
export function lacksRight(error: unknown): boolean {
  return (
    error instanceof ApiError && error.status === 403 && /\bcannot [a-z]+ resource\b/.test(error.message)
  );
}

/** A server that is starting does not know the roles yet, and says for some seconds that everything is forbidden. After so many milliseconds it is believed. */
export const usualForbiddenMs = 30_000;

/** A right that seems to be missing. */
export class MissingRight {
  readonly #believedMs: number;
  /** First and last time that it was missing, on the clock of `performance.now()`. */
  #since = 0;
  #last = Number.NEGATIVE_INFINITY;

  /** @param believedMs milliseconds */
  constructor(believedMs: number) {
    this.#believedMs = believedMs;
  }

  /** It is missing. @returns has it been, for so long that it is to be believed? */
  missing(): boolean {
    const now = performance.now();
    // Long ago is another story.
    if (now - this.#last > this.#believedMs) this.#since = now;
    this.#last = now;
    return now - this.#since >= this.#believedMs;
  }

  /** It is there. */
  present(): void {
    this.#last = Number.NEGATIVE_INFINITY;
  }
}
