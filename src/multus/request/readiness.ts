/** The readiness indicator: a file that says that the cluster network can be used (docs/behaviour.md, "Configuration"). */

import { existsSync } from "node:fs";
import { CniError, CniErrorCode } from "../../cni/errors.ts";

const patienceMs = 45_000;
const pollMs = 250;

/** Time, so that tests need not wait. */
export interface Clock {
  /** Milliseconds on a clock that only goes forward. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** @param file path, "" if none is configured */
export function isReady(file: string): boolean {
  return file === "" || existsSync(file);
}

/** Waits for the indicator, 45 s at most. @throws {CniError} 11 naming the file */
export async function waitUntilReady(file: string, clock: Clock): Promise<void> {
  const start = clock.now();
  while (!isReady(file)) {
    if (clock.now() - start >= patienceMs) {
      throw new CniError(
        CniErrorCode.tryAgainLater,
        `readinessindicatorfile ${file} is not there after ${patienceMs / 1000} s: is the cluster network's own daemon running?`,
      );
    }
    await clock.sleep(pollMs);
  }
}
