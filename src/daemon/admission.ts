/**
 * Who is worked on when: a bounded number of requests at once, one at a time for each container in the order they came, and what frees
 * resources before what takes them.
 */

/** Lower goes first. A DEL must not wait behind a node full of ADDs; STATUS has a runtime waiting that takes a slow answer for a broken network. */
const ranks: Readonly<Record<string, number>> = { DEL: 0, STATUS: 1 };
const otherRank = 2;

/** A request's place: in the line, then among those worked on. */
interface Place {
  readonly rank: number;
  /** "": belongs to no container and waits for none. */
  readonly containerId: string;
  readonly start: () => void;
}

export class Admission {
  readonly #limit: number;
  /** In order of arrival. */
  readonly #waiting = new Set<Place>();
  readonly #running = new Set<Place>();
  /** Containers that a request is being worked on for. */
  readonly #busy = new Set<string>();

  /** @param limit requests worked on at once, at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#running.size;
  }

  /**
   * Puts a request in the line.
   * @param command CNI_COMMAND
   * @param containerId "" for a command that belongs to no container
   * @param start is called when its turn comes: at once, before this returns, where nothing is in the way
   * @returns the same function that `start` is given, to be called when the request is done, or is wanted no more while it
   * waits; a second call has no effect
   */
  enter(command: string, containerId: string, start: (leave: () => void) => void): () => void {
    const leave = () => this.#leave(place);
    const place = { rank: ranks[command] ?? otherRank, containerId, start: () => start(leave) };
    this.#waiting.add(place);
    this.#startNext();
    return leave;
  }

  #leave(place: Place): void {
    this.#waiting.delete(place);
    if (this.#running.delete(place)) this.#busy.delete(place.containerId);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running.size < this.#limit) {
      const place = this.#next();
      if (place === undefined) return;
      this.#waiting.delete(place);
      this.#running.add(place);
      if (place.containerId !== "") this.#busy.add(place.containerId);
      place.start();
    }
  }

  /** The first of the lowest rank that waits for no other request of its container. */
  #next(): Place | undefined {
    const notFirst = new Set(this.#busy);
    let best: Place | undefined;
    for (const place of this.#waiting) {
      if (place.containerId !== "") {
        if (notFirst.has(place.containerId)) continue;
        notFirst.add(place.containerId);
      }
      if (best === undefined || place.rank < best.rank) best = place;
      if (best.rank === 0) break;
    }
    return best;
  }
}
