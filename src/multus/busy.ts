/** Containers that a request is being worked on for. */

/** Containers that are somebody's at the moment. */
export interface Containers {
  has(containerId: string): boolean;
}

/** Containers that had a request since some moment. */
export interface TouchedContainers extends Containers {
  [Symbol.iterator](): Iterator<string>;
  /** No more are noted. */
  end(): void;
}

export class BusyContainers implements Containers {
  readonly #busy = new Set<string>();
  readonly #touched = new Set<Set<string>>();

  has(containerId: string): boolean {
    return this.#busy.has(containerId);
  }

  /** A request for the container begins. */
  begin(containerId: string): void {
    this.#busy.add(containerId);
    for (const touched of this.#touched) touched.add(containerId);
  }

  /** It has ended. */
  end(containerId: string): void {
    this.#busy.delete(containerId);
  }

  /** Those that are busy now, and all that become so until `end`: for work that takes long, in which requests come and go. */
  touched(): TouchedContainers {
    const touched = new Set(this.#busy);
    this.#touched.add(touched);
    return {
      has: (containerId) => touched.has(containerId),
      [Symbol.iterator]: () => touched.values(),
      end: () => {
        this.#touched.delete(touched);
      },
    };
  }
}
