/** Random numbers that come again with their seed. */

import { randomInt } from "node:crypto";

const most = 2 ** 32;

export class Random {
  #state: number;

  /** @param seed unsigned, 32 bits */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to `limit` - 1 (0 where the limit is 0): mulberry32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / most) * limit);
  }

  /** One of several. @throws {RangeError} of none */
  pick<Value>(values: readonly Value[]): Value {
    const index = this.below(values.length);
    if (index >= values.length) throw new RangeError("nothing to pick from");
    return values[index] as Value;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** FUZZ_SEED of the environment, to repeat a run; else a new one. @returns unsigned, 32 bits */
export function freshSeed(): number {
  const given = process.env.FUZZ_SEED ?? "";
  return given === "" ? randomInt(most) : Number(given) >>> 0;
}
