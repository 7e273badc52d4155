/** The failed DELs of each cniDir: a node has one, or few. */

import { entryOf } from "../base/map-entry.ts";
import { type FailedDelCounts, FailedDels, type FailedDelsOptions } from "./failed-dels.ts";

export class FailedDelsOfNode {
  readonly #options: Omit<FailedDelsOptions, "cniDir">;
  readonly #opening = new Map<string, Promise<FailedDels>>();
  readonly #opened: FailedDels[] = [];

  constructor(options: Omit<FailedDelsOptions, "cniDir">) {
    this.#options = options;
  }

  /** Those of one cniDir, read when they are asked for first. Never rejects. */
  of(cniDir: string): Promise<FailedDels> {
    return entryOf(this.#opening, cniDir, async () => {
      const opened = await FailedDels.open({ ...this.#options, cniDir });
      this.#opened.push(opened);
      return opened;
    });
  }

  /** Of all cniDirs that are read. */
  get counts(): FailedDelCounts {
    const sum = { failing: 0, recorded: 0, "given-up": 0 };
    for (const { counts } of this.#opened) {
      sum.failing += counts.failing;
      sum.recorded += counts.recorded;
      sum["given-up"] += counts["given-up"];
    }
    return sum;
  }
}
