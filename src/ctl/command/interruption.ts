/** Turns Ctrl-C and other signals into an AbortSignal, so that an interrupted command can still clean up. */

import { setTimeout as sleep } from "node:timers/promises";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Listens until it is disposed. Further signals have no effect: the cleanup is completed. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals) => this.#controller.abort(new Interrupted(signal));

  constructor() {
    for (const signal of signals) process.on(signal, this.#listener);
  }

  /** Aborted with an `Interrupted` at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#listener);
  }
}

export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor(signal: string) {
    super(`interrupted by ${signal}`);
  }
}

/** Waits for the interruption, and keeps the process alive meanwhile. Resolves without an error. */
export async function untilInterrupted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(2 ** 30, undefined, { signal }).catch(() => {});
}
