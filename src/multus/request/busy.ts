/** Containers that a request is being worked on for. */

import { setNewest } from "../../base/map-entry.ts";
import { CniError, CniErrorCode } from "../../cni/errors.ts";

/** Containers that are remembered after their request: a node has some hundred pods, and a GC waits for some minutes at most. */
const endedLimit = 8192;

export class BusyContainers {
  readonly #busy = new Set<string>();
  readonly #touched = new Set<Set<string>>();
  /** Those whose last request has ended, with when, the oldest first. */
  readonly #ended = new Map<string, number>();
  /** When the last of those ended that are not in it any more. */
  #forgottenUntil = Number.NEGATIVE_INFINITY;

  has(containerId: string): boolean {
    return this.#busy.has(containerId);
  }

  begin(containerId: string): void {
    this.#busy.add(containerId);
    for (const touched of this.#touched) touched.add(containerId);
  }

  end(containerId: string): void {
    this.#busy.delete(containerId);
    const forgotten = setNewest(this.#ended, containerId, performance.now(), endedLimit);
    if (forgotten !== undefined) this.#forgottenUntil = forgotten;
  }

  /**
   * Those that are busy now, were so since some moment, or become so until `release`: for work that takes long, or had to wait, while requests come and go.
   * @param since milliseconds of `performance.now()`
   * @throws {CniError} 11 where too many were since then
   */
  touched(since: number): Set<string> {
    if (this.#forgottenUntil >= since) {
      throw new CniError(
        CniErrorCode.tryAgainLater,
        `more than ${endedLimit} containers had requests while this one waited for its turn; try again`,
      );
    }
    const touched = new Set(this.#busy);
    for (const [containerId, ended] of this.#ended) if (ended >= since) touched.add(containerId);
    this.#touched.add(touched);
    return touched;
  }

  /** No more are noted in it. */
  release(touched: Set<string>): void {
    this.#touched.delete(touched);
  }
}
