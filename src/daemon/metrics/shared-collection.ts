/** Collecting costs the event loop milliseconds that are the pods': those who ask at the same time share one collection, and those who ask without end wait. */

import { setTimeout as sleep } from "node:timers/promises";

/** Between two collections there is so many times as long as the first took: they take a tenth of the time at the most. */
const pauseFactor = 9;
/** Milliseconds. A process that stood still makes a collection long that was not. */
const longestPauseMs = 1_000;

export class SharedCollection {
  readonly #collect: () => Promise<string>;
  #next: Promise<string> | undefined;
  /** On the clock of `performance.now()`. */
  #notBefore = 0;

  constructor(collect: () => Promise<string>) {
    this.#collect = collect;
  }

  /** What is collected next, or just now. */
  text(): Promise<string> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<string> {
    const pause = this.#notBefore - performance.now();
    if (pause > 0) await sleep(pause);
    const since = performance.now();
    try {
      return await this.#collect();
    } finally {
      const now = performance.now();
      this.#notBefore = now + Math.min(pauseFactor * (now - since), longestPauseMs);
      this.#next = undefined;
    }
  }
}
