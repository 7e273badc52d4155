/**
 * Sends requests in the background to the API: some at once, and only one at a time, with growing pauses, while it does not answer. The
 * lanes decide which requests are sent, and in which order.
 */

import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { ApiError, isTransient } from "./api.ts";
import { askedPauseMs, BackOff, type BackOffLimits } from "./back-off.ts";
import type { DeliveryState } from "./cluster-state.ts";
import { lacksRight } from "./forbidden.ts";

/** Between two tries, except where the server asks for more: a server that is back gets a node's first request within two seconds. */
export const usualPauses: BackOffLimits = { first: 100, most: 2_000 };

/** Requests at once over all lanes. The server has other clients, and has to write each of these to its store. */
const atOnce = 4;

/** Something to send. */
export class Parcel {
  /** How often it failed. */
  tries = 0;
  readonly backOff = new BackOff();
  /** Not to be sent before, on the clock of `performance.now()`. */
  notBefore = 0;
}

/** Parcels of one kind, waiting. */
export interface Lane {
  /** Requests of this lane at once. */
  readonly atOnce: number;
  readonly waiting: number;
  /** How many could not be brought to the API, since the start. */
  readonly givenUp: number;
  /** Takes out the next one that may be sent. @param now of `performance.now()` */
  take(now: number): Parcel | undefined;
  /** When there may be one to take; Infinity: not before something is added. */
  readyAt(now: number): number;
  send(parcel: Parcel, signal: AbortSignal): Promise<void>;
  delivered(parcel: Parcel): void;
  /** It failed, and is retried: `tries` and `notBefore` say which and when. */
  putBack(parcel: Parcel, error: unknown): void;
  refused(parcel: Parcel, error: unknown): void;
}

/** The API does not answer any request. */
interface Absence {
  nextTry: number;
  readonly backOff: BackOff;
}

/** Parcels of a lane. */
interface Counts {
  underWay: number;
  delivered: number;
}

export class Delivery {
  /** The first one goes first. */
  readonly #lanes: ReadonlyMap<Lane, Counts>;
  readonly #log: Logger;
  readonly #pauses: BackOffLimits;
  readonly #closed = new AbortController();
  #running = 0;
  #absence: Absence | undefined;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  readonly #waiters = new Set<() => void>();

  constructor(lanes: readonly Lane[], log: Logger, pauses: BackOffLimits) {
    this.#lanes = new Map(lanes.map((lane) => [lane, { underWay: 0, delivered: 0 }]));
    this.#log = log;
    this.#pauses = pauses;
  }

  /** Parcels that wait or are under way. */
  get pending(): number {
    return Array.from(this.#lanes.keys()).reduce((sum, lane) => sum + lane.waiting, this.#running);
  }

  countsOf(lane: Lane): Omit<DeliveryState, "kind"> {
    const { underWay, delivered } = this.#lanes.get(lane) ?? { underWay: 0, delivered: 0 };
    return { pending: lane.waiting + underWay, delivered, givenUp: lane.givenUp };
  }

  /** To be called when a lane has changed. Nothing is sent before the caller has returned. */
  wake(): void {
    if (this.#closed.signal.aborted) return;
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#go();
    });
  }

  /** Resolves when nothing is left to send, or after that many milliseconds. */
  async settle(limitMs: number): Promise<void> {
    if (this.pending === 0 || this.#closed.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    this.#waiters.add(resolve);
    await promise;
    this.#waiters.delete(resolve);
    clearTimeout(timer);
  }

  /** Aborts requests under way, and sends no more. */
  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
    for (const resolve of this.#waiters) resolve();
  }

  #go(): void {
    if (this.#closed.signal.aborted) return;
    const now = performance.now();
    while (this.#mayStart(now) && this.#startNext(now));
    this.#setTimer(now);
    if (this.pending === 0) for (const resolve of this.#waiters) resolve();
  }

  #mayStart(now: number): boolean {
    const { nextTry } = this.#absence ?? { nextTry: undefined };
    return nextTry === undefined ? this.#running < atOnce : this.#running === 0 && now >= nextTry;
  }

  /** @returns false: no lane has a parcel that may be sent */
  #startNext(now: number): boolean {
    for (const [lane, counts] of this.#lanes) {
      const parcel = counts.underWay < lane.atOnce ? lane.take(now) : undefined;
      if (parcel === undefined) continue;
      this.#running++;
      counts.underWay++;
      this.#try(lane, counts, parcel).catch((error: unknown) => {
        this.#log.error("unexpected error of a delivery to the API", { error: errorText(error) });
      });
      return true;
    }
    return false;
  }

  async #try(lane: Lane, counts: Counts, parcel: Parcel): Promise<void> {
    const absence = this.#absence;
    let failure: { readonly error: unknown } | undefined;
    try {
      await lane.send(parcel, this.#closed.signal);
    } catch (error) {
      failure = { error };
    }
    this.#running--;
    counts.underWay--;
    if (this.#closed.signal.aborted) return;
    this.#note(failure?.error, absence);
    if (failure === undefined) {
      counts.delivered++;
      lane.delivered(parcel);
    } else if (isWorthAnotherTry(failure.error)) {
      parcel.tries++;
      const pause = Math.max(askedPauseMs(failure.error), parcel.backOff.next(this.#pauses));
      parcel.notBefore = performance.now() + pause;
      lane.putBack(parcel, failure.error);
    } else {
      lane.refused(parcel, failure.error);
    }
    this.#go();
  }

  /** Notes whether the server is available. @param before the absence that the request was sent in */
  #note(error: unknown, before: Absence | undefined): void {
    if (!isAbsence(error)) {
      if (this.#absence !== undefined)
        this.#log.verbose("the API server is available again: deliveries resume", { waiting: this.pending });
      this.#absence = undefined;
      return;
    }
    // Failures of requests that were sent before it went away do not count.
    if (this.#absence !== undefined && this.#absence !== before) return;
    if (this.#absence === undefined) {
      this.#log.verbose("the API server is unavailable: deliveries are pending", {
        error: errorText(error),
      });
      this.#absence = { nextTry: 0, backOff: new BackOff() };
    }
    const pause = Math.max(askedPauseMs(error), this.#absence.backOff.next(this.#pauses));
    this.#absence.nextTry = performance.now() + pause;
  }

  #setTimer(now: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Every request under way comes back here when it ends.
    if (this.#running >= (this.#absence === undefined ? atOnce : 1)) return;
    let at = Number.POSITIVE_INFINITY;
    for (const [lane, { underWay }] of this.#lanes) {
      if (underWay < lane.atOnce) at = Math.min(at, lane.readyAt(now));
    }
    if (at === Number.POSITIVE_INFINITY) return;
    const delay = Math.max(at, this.#absence?.nextTry ?? 0) - now;
    this.#timer = setTimeout(() => this.#go(), Math.max(1, Math.ceil(delay)));
  }
}

/**
 * Is it about the server, and not about the one request? Expired credentials are replaced in a while, and a server that is starting knows no
 * roles, so that every right is missing.
 */
function isAbsence(error: unknown): boolean {
  return isTransient(error) || (error instanceof ApiError && error.status === 401) || lacksRight(error);
}

/** 409: another writer was faster. */
function isWorthAnotherTry(error: unknown): boolean {
  return isAbsence(error) || (error instanceof ApiError && error.status === 409);
}
