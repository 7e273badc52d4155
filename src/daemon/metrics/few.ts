/** Values of a label that others choose: a few of them as they are, the rest as one. */

/** Name of all further values. */
const rest = "other";

export class Few {
  readonly #known: Set<string>;
  readonly #most: number;

  /** @param known values that always count @param more how many others may join them, those that come first */
  constructor(known: readonly string[], more: number) {
    this.#known = new Set(known);
    this.#most = known.length + more;
  }

  label(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#most) return rest;
    this.#known.add(value);
    return value;
  }
}
