/**
 * Work on large texts takes its turn. All requests share one event loop: while a configuration of 1 MiB is parsed nothing else is worked on, and authors of
 * such configurations could have one after the other parsed. So such pieces of work are done one at a time, and most of the time between them belongs to everything else.
 */

/** Bytes from which a text is large: hundreds of times as many as an ordinary network has. A piece of work on fewer takes about a millisecond at most. */
export const largeText = 128 * 1024;

/** How much of the time large texts may take. */
export interface LargeWorkLimits {
  /** 0 to 1. */
  readonly share: number;
  /** Milliseconds that may be used at once after a quiet time. */
  readonly burstMs: number;
}

/**
 * A request of an ordinary pod needs the event loop half a dozen times: with a share of 1/20 three of four requests meet no large text, and the burst lets
 * those who have one now and then not wait at all.
 */
const usualLimits: LargeWorkLimits = { share: 0.05, burstMs: 50 };

export class LargeWork {
  readonly #limits: LargeWorkLimits;
  /** The end of the line. */
  #last: Promise<void> = Promise.resolve();
  /** When the time that was used is made up for, on the clock of `performance.now()`. */
  #evenAt = Number.NEGATIVE_INFINITY;

  constructor(limits: LargeWorkLimits = usualLimits) {
    this.#limits = limits;
  }

  /**
   * Does the work: at once where the text is not large, else when it is its turn.
   * @param bytes of the text
   * @param work what it does until it returns counts. A promise that it returns is not waited for by the next one
   * @returns what it returns @throws what it throws
   */
  async run<Result>(bytes: number, work: () => Result): Promise<Awaited<Result>> {
    if (bytes < largeText) return await work();
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    await this.#untilEven();
    const begin = cpuMilliseconds();
    let result: Result;
    try {
      result = work();
    } finally {
      this.#count(cpuMilliseconds() - begin);
      resolve();
    }
    return await result;
  }

  async #untilEven(): Promise<void> {
    const waitMs = this.#evenAt - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    // What has come meanwhile goes first.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #count(milliseconds: number): void {
    const { share, burstMs } = this.#limits;
    const quietSince = performance.now() - burstMs / share;
    this.#evenAt = Math.max(this.#evenAt, quietSince) + milliseconds / share;
  }
}

/** CPU time of this thread: on a busy node a piece of work takes longer, and is no more work for that. */
function cpuMilliseconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Of this process: it has one event loop. */
export const largeWork = new LargeWork();
