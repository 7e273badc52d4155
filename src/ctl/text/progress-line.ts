/** Shows how far a long work is: on a terminal one line that is written over, elsewhere a line every some seconds. */

import { formatAge } from "./quantities.ts";

/** The part of a stream that is needed: stderr has it. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  /** Of a terminal's line. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** On a terminal: more often is not seen, and costs the measured programs time. */
const rewriteEveryMs = 200;
/** Elsewhere: a log stays short, and shows within a minute that nothing hangs. */
const lineEveryMs = 10_000;
/** Before that the time left is a guess. */
const shortestForEstimateMs = 2_000;
const barWidth = 20;

/** Erases the line that the cursor is in. */
const erased = "\r\u001b[K";

/** Shares of a work that are done, with an estimate of the time left from the pace so far. */
export class ProgressLine {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  /** The pace counts from the last time that nothing was done: getting ready has none. */
  #started: number;
  #shownAt = Number.NEGATIVE_INFINITY;
  #isOpen = false;

  /** @param output a terminal or a file @param now milliseconds */
  constructor(output: ProgressOutput, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
    this.#started = now();
  }

  /**
   * Shows a state, unless the last one was shown just now.
   * @param what is being done @param done its share, 0 to 1; at 0 the work begins (again)
   */
  show(what: string, done: number): void {
    const now = this.#now();
    if (done <= 0) this.#started = now;
    const isTerminal = this.#output.isTTY === true;
    const isDue = now - this.#shownAt >= (isTerminal ? rewriteEveryMs : lineEveryMs);
    if (!isDue && !(done >= 1 && isTerminal)) return;
    this.#shownAt = now;
    const line = this.#line(what, Math.min(1, Math.max(0, done)), now);
    if (!isTerminal) {
      this.#output.write(`${line}\n`);
      return;
    }
    // A line that wraps could not be written over.
    const width = (this.#output.columns ?? 80) - 1;
    this.#output.write(`${erased}${Array.from(line).slice(0, width).join("")}`);
    this.#isOpen = true;
  }

  /** Takes the line off a terminal: other text follows. */
  clear(): void {
    if (this.#isOpen) this.#output.write(erased);
    this.#isOpen = false;
    this.#shownAt = Number.NEGATIVE_INFINITY;
  }

  #line(what: string, done: number, now: number): string {
    const full = Math.floor(done * barWidth);
    const bar = `[${"#".repeat(full)}${".".repeat(barWidth - full)}]`;
    const percent = `${Math.floor(done * 100)} %`.padStart(5);
    const elapsed = now - this.#started;
    const isKnown = done > 0 && done < 1 && elapsed >= shortestForEstimateMs;
    const left = isKnown ? `, ${formatAge((elapsed / done - elapsed) / 1000)} left` : "";
    return `${bar} ${percent}${left}: ${what}`;
  }
}
