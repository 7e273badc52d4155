/** Watches the network-statuses and events that arrive in a cluster for its pods. */

/** Of a pod: its network-status. */
export const statusAnnotation = "k8s.v1.cni.cncf.io/network-status";
/** Until what should arrive counts as lost, milliseconds. */
const patience = 60_000;

/** The reports that have arrived for a pod. */
export interface Arrived {
  /** Its network-status as text; undefined: none. */
  readonly status: string | undefined;
  /** Events about it since it was last cleared. */
  readonly events: number;
}

export interface WatchedPod {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
}

export interface WatchedEvent {
  readonly regarding: { readonly name: string };
}

const nothing: Arrived = { status: undefined, events: 0 };

/** The reports that the watches of pods and events have seen. */
export class Arrivals {
  /** By pod name. */
  readonly #arrived = new Map<string, Arrived>();
  readonly #waiters = new Set<() => void>();

  /** @param name of a pod */
  of(name: string): Arrived {
    return this.#arrived.get(name) ?? nothing;
  }

  /** @param name of a pod */
  forget(name: string): void {
    this.#arrived.delete(name);
  }

  /**
   * Waits for arrivals, by the API's own watch.
   * @param what for the error
   * @returns when it was so, on the clock of `performance.now()`
   * @throws {Error} after a minute
   */
  async until(what: string, isSo: () => boolean): Promise<number> {
    if (isSo()) return performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const look = () => {
      if (isSo()) resolve(performance.now());
    };
    const timer = setTimeout(() => reject(new Error(`in vain waited for ${what}`)), patience);
    this.#waiters.add(look);
    try {
      return await promise;
    } finally {
      this.#waiters.delete(look);
      clearTimeout(timer);
    }
  }

  seePod({ metadata: { name, annotations } }: WatchedPod, type: string): void {
    if (type === "DELETED") this.#arrived.delete(name);
    else this.#arrived.set(name, { ...this.of(name), status: annotations?.[statusAnnotation] });
    this.#look();
  }

  seeEvent({ regarding: { name } }: WatchedEvent, type: string): void {
    if (type !== "ADDED") return;
    const before = this.of(name);
    this.#arrived.set(name, { ...before, events: before.events + 1 });
    this.#look();
  }

  #look(): void {
    for (const look of this.#waiters) look();
  }
}
