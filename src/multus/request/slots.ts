/** Slots for work that runs at once: given in the order in which they are asked for, and none any more once they are closed. */

export class Slots {
  readonly #waiting: ((isGiven: boolean) => void)[] = [];
  #free: number;
  #isClosed = false;

  /** @param count at least 1 */
  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a slot, which is given back with `give`. @returns false: they are closed, and there is nothing to give back */
  take(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next(true);
  }

  /** From now on nothing begins. Work with a slot goes on. */
  close(): void {
    this.#isClosed = true;
    for (const each of this.#waiting.splice(0)) each(false);
  }
}
