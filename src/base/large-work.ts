/**
 * Work on large texts takes its turn. All requests share one event loop: while a configuration of 1 MiB is parsed nothing else is worked on, and authors of
 * such configurations could have one after the other parsed. So such pieces of work are done one at a time, and most of the time between them belongs to everything else.
 * Namespaces take turns, and what frees resources does not wait for ADDs.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

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

export interface LargeTurns {
  /** As {@link LargeWork.run} does it. */
  run<Result>(bytes: number, work: () => Result, signal?: AbortSignal): Promise<Awaited<Result>>;
}

export class LargeWork {
  readonly #limits: LargeWorkLimits;
  /** By group, the one whose turn is next first; no line is empty. */
  readonly #lines = new Map<string, Set<() => void>>();
  #isServing = false;
  /** When the time that was used is made up for, on the clock of `performance.now()`. */
  #evenAt = Number.NEGATIVE_INFINITY;

  constructor(limits: LargeWorkLimits = usualLimits) {
    this.#limits = limits;
  }

  /**
   * Does the work: at once where the text is not large, else when it is its turn.
   * @param group groups take turns, each in the order in which its work came
   * @param bytes of the text
   * @param work its time until it returns counts. The next one does not wait for a promise that it returns
   * @param signal aborted where nobody wants the work any more: what is not begun by then is not done
   * @returns what it returns @throws what it throws; the signal's reason where that comes first
   */
  async run<Result>(
    group: string,
    bytes: number,
    work: () => Result,
    signal?: AbortSignal,
  ): Promise<Awaited<Result>> {
    signal?.throwIfAborted();
    if (bytes < largeText) return await work();
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<Result>>();
    const leave = () => {
      this.#takeOut(group, begin);
      reject(signal?.reason);
    };
    const begin = () => {
      signal?.removeEventListener("abort", leave);
      // Its error goes to the promise.
      new Promise<Awaited<Result>>((done) => done(work() as Awaited<Result>)).then(resolve, reject);
    };
    signal?.addEventListener("abort", leave);
    const line = this.#lines.get(group) ?? new Set();
    this.#lines.set(group, line.add(begin));
    void this.#serve();
    return promise;
  }

  async #serve(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    while (this.#lines.size > 0) {
      await this.#untilEven();
      const next = this.#next();
      const begin = cpuMilliseconds();
      next?.();
      this.#count(cpuMilliseconds() - begin);
    }
    this.#isServing = false;
  }

  /** Takes out the work whose turn it is. @returns undefined: all of it was given up meanwhile */
  #next(): (() => void) | undefined {
    const [first] = this.#lines;
    if (first === undefined) return undefined;
    const [group, line] = first;
    const [next] = line;
    this.#lines.delete(group);
    this.#lines.set(group, line);
    if (next !== undefined) this.#takeOut(group, next);
    return next;
  }

  #takeOut(group: string, work: () => void): void {
    const line = this.#lines.get(group);
    line?.delete(work);
    if (line?.size === 0) this.#lines.delete(group);
  }

  async #untilEven(): Promise<void> {
    const waitMs = this.#evenAt - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    // Events that have come meanwhile go first.
    await nextTurn();
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

/** Of this process, as it has one event loop: the work of ADDs, which any pod can have done. */
export const largeWork = new LargeWork();
/** All other commands' work: a DEL is not to wait for ADDs. */
const workOfOthers = new LargeWork();

/**
 * @param command CNI_COMMAND that the work is for
 * @param group namespace of the pod
 */
export function largeTurnsOf(command: string, group: string): LargeTurns {
  const line = command === "ADD" ? largeWork : workOfOthers;
  // Bound rather than wrapped: each plugin run passes through here.
  return { run: line.run.bind(line, group) as LargeTurns["run"] };
}
