/** One collection for all scrapes of a moment, and a pause after each: collecting takes time of the event loop that the requests of pods need. */

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

  /** The text of the collection that is under way, or of the next one. */
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
