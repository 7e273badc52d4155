/** Containers whose ADD ended before its first delegate: there is nothing to undo. */

/** How many are remembered: their DEL usually comes within seconds. */
const most = 4096;

export class NeverStarted {
  /** The oldest first. */
  readonly #containers = new Set<string>();

  has(containerId: string): boolean {
    return this.#containers.has(containerId);
  }

  add(containerId: string): void {
    this.#containers.add(containerId);
    const [oldest] = this.#containers;
    if (this.#containers.size > most && oldest !== undefined) this.#containers.delete(oldest);
  }

  /** From now on there may be something to undo. */
  started(containerId: string): void {
    this.#containers.delete(containerId);
  }
}
