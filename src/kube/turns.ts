/** Bounds how much work is done at once, in all and for each group: a group with much work does not hold up the others. */

import { addTo } from "../base/map-entry.ts";

export interface TurnLimits {
  /** Of all groups. */
  readonly atOnce: number;
  /** Of one group. */
  readonly ofGroup: number;
  /** How long work waits for its turn at most, in milliseconds. */
  readonly waitMs: number;
}

/** Work did not get its turn in time. */
export class NoTurn extends Error {
  override readonly name = "NoTurn";
}

interface Waiting {
  readonly group: string;
  readonly begin: () => void;
}

export class Turns {
  readonly #limits: TurnLimits;
  readonly #waiting = new Set<Waiting>();
  readonly #running = new Map<string, number>();
  #total = 0;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  /** Does the work when it is its turn. @throws {NoTurn} where that does not come in time; what `work` throws */
  async run<Result>(group: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#isFree(group)) this.#begin(group);
    else await this.#wait(group);
    try {
      return await work();
    } finally {
      this.#end(group);
    }
  }

  #isFree(group: string): boolean {
    return this.#total < this.#limits.atOnce && (this.#running.get(group) ?? 0) < this.#limits.ofGroup;
  }

  #wait(group: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { waitMs } = this.#limits;
    const waiting: Waiting = { group, begin: resolve };
    this.#waiting.add(waiting);
    const timer = setTimeout(() => {
      this.#waiting.delete(waiting);
      reject(new NoTurn(`too much else was asked for: no turn within ${waitMs / 1000} s`));
    }, waitMs);
    return promise.finally(() => clearTimeout(timer));
  }

  #begin(group: string): void {
    this.#total += 1;
    addTo(this.#running, group, 1);
  }

  #end(group: string): void {
    this.#total -= 1;
    addTo(this.#running, group, -1);
    for (const next of this.#waiting) {
      if (!this.#isFree(next.group)) continue;
      this.#waiting.delete(next);
      // Here, not when it continues: until then another could take its place.
      this.#begin(next.group);
      next.begin();
      return;
    }
  }
}
