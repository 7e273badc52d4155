/** Waiting for what no event tells a test. */

import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until a condition holds.
 * @param what is waited for, for the error
 * @param patienceMs milliseconds after which it is an error: a machine can be slow
 */
export async function until(
  what: string | (() => string),
  isSo: () => boolean,
  patienceMs = 60_000,
): Promise<void> {
  for (const deadline = performance.now() + patienceMs; !isSo(); await sleep(5)) {
    if (performance.now() < deadline) continue;
    throw new Error(`not within ${patienceMs} ms: ${typeof what === "string" ? what : what()}`);
  }
}
