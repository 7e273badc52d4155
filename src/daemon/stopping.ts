/** Shutdown policy: DEL, GC and STATUS are served to the end; ADD and CHECK are told to retry on the next daemon. */

import { CniError, CniErrorCode } from "../cni/errors.ts";

/** A refused DEL would keep its pod, and a refused STATUS would have the runtime report its network as not ready: both are worse than a daemon that ends some seconds later. */
const turnedAway: ReadonlySet<string> = new Set(["ADD", "CHECK"]);

export class Stopping {
  #isStopping = false;
  #turnsAway = false;
  #isRetiring = false;

  /** Has the daemon been told to stop? */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  begin(): void {
    this.#isStopping = true;
  }

  /** The daemon ends as it was idle: what is there is still served. */
  retire(): void {
    this.#isRetiring = true;
  }

  /** May a recorded DEL be begun? It waits for the next daemon otherwise. */
  get mayBeginRecorded(): boolean {
    return !this.#isStopping && !this.#isRetiring;
  }

  /** From now on there is something to wait for, and new work would only prolong it. */
  turnAway(): void {
    this.#turnsAway = true;
  }

  /**
   * @param command CNI_COMMAND of a request that has come
   * @returns the answer that sends it to the next daemon; undefined: it is served
   */
  answerTo(command: string): CniError | undefined {
    return this.#turnsAway && turnedAway.has(command)
      ? new CniError(CniErrorCode.tryAgainLater, "multusd is stopping; try again")
      : undefined;
  }
}
