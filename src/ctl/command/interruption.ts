/** Ctrl-C and the like as an AbortSignal, so that whoever is interrupted can still clean up. */

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Listens until it is disposed. Further signals change nothing: what is being cleaned up is cleaned up. */
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

/** Waits for the interruption, without an error, even if there is nothing else that keeps the process alive. */
export function untilInterrupted(signal: AbortSignal): Promise<void> {
  const alive = setInterval(() => {}, 2 ** 30);
  const interrupted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  return interrupted.finally(() => clearInterval(alive));
}

/** Waits for the promise or the interruption, whichever is first. @throws {Interrupted} */
export function orInterrupted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
