/** How much may wait: requests are kept in memory with their netconfs, of up to 4 MiB each, until they are answered. */

export interface RoomLimits {
  readonly requests: number;
  readonly bytes: number;
}

interface Held {
  requests: number;
  bytes: number;
}

/**
 * Counts what is held, for each share and in all. A share may hold as much as it leaves free: one alone half of all, and whatever it does,
 * another finds room.
 */
export class Room {
  readonly #limits: RoomLimits;
  readonly #all: Held = { requests: 0, bytes: 0 };
  readonly #shares = new Map<string, Held>();

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  /** @returns false: there is no room, and nothing is held */
  take(share: string, bytes: number): boolean {
    const own = this.#shares.get(share) ?? { requests: 0, bytes: 0 };
    const { requests: mostRequests, bytes: mostBytes } = this.#limits;
    if (own.requests + 1 > mostRequests - this.#all.requests) return false;
    if (own.bytes + bytes > mostBytes - this.#all.bytes) return false;
    this.#shares.set(share, own);
    this.#add(own, 1, bytes);
    return true;
  }

  give(share: string, bytes: number): void {
    const own = this.#shares.get(share);
    if (own === undefined) return;
    this.#add(own, -1, -bytes);
    if (own.requests === 0) this.#shares.delete(share);
  }

  #add(own: Held, requests: number, bytes: number): void {
    for (const held of [own, this.#all]) {
      held.requests += requests;
      held.bytes += bytes;
    }
  }
}
