/** A lane: the requests of one kind, with slots of their own that are shared out between the namespaces of the pods. */

import { addTo } from "../base/map-entry.ts";

/** One that waits for a slot. */
export interface LaneEntry {
  /** Namespace of its pod. Requests of one share stand in line behind each other; those of another do not. */
  readonly share: string;
  /** Lower came earlier. */
  readonly order: number;
  /** Is called when it has its slot. */
  readonly start: () => void;
}

/**
 * Gives slots to requests. One share alone gets `slots` of them; half as many more are in reserve for the others. The rule for both: a share may
 * have twice as many slots as it leaves free. So a second namespace finds room beside one whose plugins hang, and a third beside those two; a
 * namespace that has no slot gets the last one. Of those that may have the next slot it goes to the namespace that has fewest, then to the request
 * that came first.
 */
export class Lane {
  /** Slots that one share gets where no other wants any. */
  readonly slots: number;
  /** All of them, the reserve among them. */
  readonly allSlots: number;
  readonly #running = new Map<string, number>();
  /** By share, each in order of arrival; no list is empty. */
  readonly #waiting = new Map<string, LaneEntry[]>();
  #runningCount = 0;

  /** @param slots at least 1 */
  constructor(slots: number) {
    this.slots = slots;
    this.allSlots = slots + Math.ceil(slots / 2);
  }

  /** Requests that have a slot. */
  get running(): number {
    return this.#runningCount;
  }

  /** Puts a request in the line of its share. It may start before this returns. */
  enter(entry: LaneEntry): void {
    const line = this.#waiting.get(entry.share);
    if (line === undefined) this.#waiting.set(entry.share, [entry]);
    else {
      // Nearly always the last: only one that had its slot before, or waited for its container, came earlier than others.
      let place = line.length;
      while (place > 0 && (line[place - 1]?.order ?? 0) > entry.order) place -= 1;
      line.splice(place, 0, entry);
    }
    this.#startNext();
  }

  /** Takes a request that has no slot yet out of the line. */
  withdraw(entry: LaneEntry): void {
    const line = this.#waiting.get(entry.share) ?? [];
    const place = line.indexOf(entry);
    if (place < 0) return;
    line.splice(place, 1);
    if (line.length === 0) this.#waiting.delete(entry.share);
  }

  /** Gives a slot back. @param share of the request that had it */
  release(share: string): void {
    addTo(this.#running, share, -1);
    this.#runningCount -= 1;
    this.#startNext();
  }

  #startNext(): void {
    for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
      this.withdraw(entry);
      addTo(this.#running, entry.share, 1);
      this.#runningCount += 1;
      entry.start();
    }
  }

  #next(): LaneEntry | undefined {
    if (this.#runningCount >= this.allSlots) return undefined;
    let best: LaneEntry | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const [share, [first]] of this.#waiting) {
      const own = this.#running.get(share) ?? 0;
      if (first === undefined || !this.#mayStart(own)) continue;
      if (own < fewest || (own === fewest && first.order < (best?.order ?? 0))) {
        best = first;
        fewest = own;
      }
    }
    return best;
  }

  /** @param own slots that the share has already */
  #mayStart(own: number): boolean {
    const leftFree = this.allSlots - this.#runningCount - 1;
    return own === 0 || own + 1 <= 2 * leftFree;
  }
}
