/** Logs a problem once for as long as it is the same: retries every few seconds must not fill the log. */

import type { LogFields, Logger } from "./logger.ts";

export class OnceLog {
  readonly #log: Logger;
  readonly #everyMs: number;
  #problem: string | undefined;
  #loggedAt = 0;

  /** @param everyMs milliseconds after which a problem that is still the same is logged again; without it never */
  constructor(log: Logger, everyMs = Number.POSITIVE_INFINITY) {
    this.#log = log;
    this.#everyMs = everyMs;
  }

  /** The problem that was logged last; undefined: none, or it is over. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** @param problem differs between problems: an error's text, where another error is worth another line */
  error(message: string, fields?: LogFields, problem = message): void {
    const now = performance.now();
    if (problem === this.#problem && now - this.#loggedAt < this.#everyMs) return;
    this.#problem = problem;
    this.#loggedAt = now;
    this.#log.error(message, fields);
  }

  /** The problem is over: the next one is logged, even the same. */
  over(): void {
    this.#problem = undefined;
  }
}
