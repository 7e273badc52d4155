/** The failed DELs of each cniDir: a node has one, or few. */

import type { Logger } from "../log/logger.ts";
import { type FailedDelCounts, FailedDels } from "./failed-dels.ts";

export class FailedDelsOfNode {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #opened = new Map<string, FailedDels | Promise<FailedDels>>();

  /** @param now milliseconds since 1970 */
  constructor(log: Logger, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Those of one cniDir, read when they are asked for first. Never rejects. */
  of(cniDir: string): FailedDels | Promise<FailedDels> {
    const known = this.#opened.get(cniDir);
    if (known !== undefined) return known;
    const opening = FailedDels.open({ cniDir, log: this.#log, now: this.#now }).then((opened) => {
      this.#opened.set(cniDir, opened);
      return opened;
    });
    this.#opened.set(cniDir, opening);
    return opening;
  }

  /** Of all cniDirs that are read. */
  get counts(): FailedDelCounts {
    const sum = { failing: 0, recorded: 0, "given-up": 0 };
    for (const opened of this.#opened.values()) {
      if (opened instanceof Promise) continue;
      const { failing, recorded, "given-up": givenUp } = opened.counts;
      sum.failing += failing;
      sum.recorded += recorded;
      sum["given-up"] += givenUp;
    }
    return sum;
  }
}
