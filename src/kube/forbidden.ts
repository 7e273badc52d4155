/** Why the API server forbids something (403): a right is missing, the server has not loaded its roles yet, or admission refuses. */

import { ApiError } from "./api.ts";

/**
 * Has the daemon no right to do this? Admission forbids as well: in a namespace that is being deleted, beyond a quota, by a webhook. Only
 * the text tells, in the same words for every authorizer.
 */
export function lacksRight(error: unknown): boolean {
  return (
    error instanceof ApiError && error.status === 403 && /\bcannot [a-z]+ resource\b/.test(error.message)
  );
}

/** A server that is starting does not know the roles yet, and forbids everything for some seconds. A refusal counts after so many milliseconds. */
export const usualForbiddenMs = 30_000;

/** A right that seems to be missing. */
export class MissingRight {
  readonly #believedMs: number;
  /** First and last time that it was missing, on the clock of `performance.now()`. */
  #since = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(believedMs: number) {
    this.#believedMs = believedMs;
  }

  /** A request was refused. @returns whether that has gone on for so long that it counts */
  missing(): boolean {
    const now = performance.now();
    // An earlier refusal, before a long pause, does not count.
    if (now - this.#last > this.#believedMs) this.#since = now;
    this.#last = now;
    return now - this.#since >= this.#believedMs;
  }

  present(): void {
    this.#last = Number.NEGATIVE_INFINITY;
  }
}
