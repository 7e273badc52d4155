/** How the parts of a benchmark tell how far they are. */

/**
 * Told the case that runs, and the share of the part that is done, 0 to 1; 0 while the part gets ready. Between rounds, when nothing is measured: what it
 * does until it has ended disturbs nothing.
 */
export type Progress = (what: string, done: number) => Promise<void>;

/** For a measurement of which nobody is told. */
export const untold: Progress = async () => {};

/** Rounds of a part, of which some take longer than others. */
export class Rounds {
  readonly #progress: Progress;
  readonly #total: number;
  #done = 0;

  /** @param total of the weights of all rounds */
  constructor(progress: Progress, total: number) {
    this.#progress = progress;
    this.#total = total;
  }

  /** The part gets ready. */
  begin(what: string): Promise<void> {
    return this.#progress(what, 0);
  }

  /** A round has ended. @param weight how long it takes, in comparison with the others */
  async ended(what: string, weight = 1): Promise<void> {
    this.#done += weight;
    await this.#progress(what, this.#done / this.#total);
  }
}
