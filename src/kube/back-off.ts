/** How long to wait before the next try, when tries fail. */

/** Milliseconds. */
export interface BackOffLimits {
  /** The longest first wait; each next one may be twice as long. */
  readonly first: number;
  readonly most: number;
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

  /** Milliseconds to wait after one more failure. Other limits than last time: the failure is of another sort, and counts as a first one. */
  next(limits: BackOffLimits): number {
    if (limits !== this.#limits) this.#failures = 0;
    this.#limits = limits;
    const { first, most } = limits;
    const longest = Math.min(most, first * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return this.#random() * longest;
  }

  /** It worked. */
  reset(): void {
    this.#failures = 0;
  }
}
