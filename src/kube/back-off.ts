/** How long to wait before the next try, when tries fail. */

import { ApiError } from "./api.ts";

export interface BackOffLimits {
  /** The longest first wait; each next one may be twice as long. */
  readonly first: number;
  readonly most: number;
}

/** The longest that a server may ask to wait (Retry-After), in milliseconds: a wrong answer of a proxy must not silence a node. */
const longestRetryAfterMs = 30_000;

/** Milliseconds that the server asks to wait (Retry-After); 0 where it does not. */
export function askedPauseMs(error: unknown): number {
  return error instanceof ApiError ? Math.min(error.retryAfterMs ?? 0, longestRetryAfterMs) : 0;
}

/** Exponential, with full jitter: many nodes that lost the same server do not come back at the same moment. */
export class BackOff {
  readonly #random: () => number;
  #failures = 0;
  #limits: BackOffLimits | undefined;

  /** @param random from 0 up to 1 */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Milliseconds to wait after one more failure. With other limits than last time it counts as the first of its kind. */
  next(limits: BackOffLimits): number {
    if (limits !== this.#limits) this.#failures = 0;
    this.#limits = limits;
    const { first, most } = limits;
    const longest = Math.min(most, first * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return this.#random() * longest;
  }

  reset(): void {
    this.#failures = 0;
  }
}
