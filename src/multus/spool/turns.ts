/** In which order recorded DELs are done: namespaces take turns, so that pods of one whose plugins hang do not use up the time of all (docs/wire.md, "The replay"). */

import { entryOf } from "../../base/map-entry.ts";

export interface Waiting {
  readonly name: string;
  readonly containerId: string;
  readonly tries: number;
  readonly isDue: boolean;
  /** Namespace of its pod; "" for all whose namespace is not known. */
  readonly share: string;
  /** When its last try failed, in milliseconds since 1970; 0: it was never tried. */
  readonly triedAt: number;
}

interface Turn<Entry> {
  readonly entry: Entry;
  readonly share: Share;
  /** The record of its container that comes before it. */
  readonly before: Turn<Entry> | undefined;
  state: "waits" | "done" | "left";
}

interface Share {
  /** When a record of it was last tried and failed, as far as the directory says it: milliseconds since 1970; 0: never. */
  served: number;
}

export class Turns<Entry extends Waiting> {
  readonly #turns: Turn<Entry>[] = [];

  /** @param entries records in the order of their names. Those that are not due are left, and so are those of their containers behind them */
  constructor(entries: readonly Entry[]) {
    const shares = new Map<string, Share>();
    const last = new Map<string, Turn<Entry>>();
    for (const entry of entries) {
      const share = entryOf(shares, entry.share, () => ({ served: 0 }));
      share.served = Math.max(share.served, entry.triedAt);
      const before = last.get(entry.containerId);
      const turn: Turn<Entry> = { entry, share, before, state: entry.isDue ? "waits" : "left" };
      last.set(entry.containerId, turn);
      this.#turns.push(turn);
    }
  }

  /** The record whose turn it is; undefined: none may be done now. `note` follows. */
  next(): Entry | undefined {
    return this.#next()?.entry;
  }

  /** Notes the end of the one whose turn it was. @param nowMs milliseconds since 1970 */
  note(entry: Entry, isDone: boolean, nowMs: number): void {
    const turn = this.#turns.find((one) => one.entry === entry);
    if (turn === undefined) return;
    turn.state = isDone ? "done" : "left";
    if (!isDone) turn.share.served = nowMs;
  }

  #next(): Turn<Entry> | undefined {
    let best: Turn<Entry> | undefined;
    for (const turn of this.#turns) {
      // In the order of names, so that the one before it has its last state already.
      if (turn.state === "waits" && turn.before?.state === "left") turn.state = "left";
      if (turn.state !== "waits" || turn.before?.state === "waits") continue;
      if (best === undefined || comesBefore(turn, best)) best = turn;
    }
    return best;
  }
}

/** Is `turn` to be done before `other`? Of one namespace those that were never tried come first, then the order of names counts. */
function comesBefore<Entry extends Waiting>(turn: Turn<Entry>, other: Turn<Entry>): boolean {
  if (turn.share.served !== other.share.served) return turn.share.served < other.share.served;
  const isNew = turn.entry.tries === 0;
  if (turn.share === other.share && isNew !== (other.entry.tries === 0)) return isNew;
  return turn.entry.name < other.entry.name;
}
