/** Where a benchmark starts its pods. */

import type { Subject } from "./measurement.ts";

export interface BenchSite {
  /** The compared subjects; ours is first. */
  readonly subjects: readonly Subject[];
  /** The annotation of the pods. */
  readonly selection: string;
  /** Networks of a pod, the cluster network among them. */
  readonly networks: number;
  /** Name and version of the runtime; "" where there is none. */
  readonly runtime: string;
  /** Releases by program. Asked for when pods have been started: a daemon on demand is there then. */
  versions(): Promise<Readonly<Record<string, string>>>;
  /**
   * Stops all pods that were started, and removes what was made. A failed step does not prevent the next ones.
   * @returns what could not be removed
   */
  cleanUp(): Promise<string[]>;
}

/** Waits for all. @throws {unknown} the first failure, when all have ended */
export async function allOf<Value>(works: readonly Promise<Value>[]): Promise<Value[]> {
  const outcomes = await Promise.allSettled(works);
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}
