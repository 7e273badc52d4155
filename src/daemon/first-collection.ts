/** One full garbage collection soon after the start, which keeps the daemon small from then on. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Milliseconds after the start: its own garbage is there by then, and few pods are. */
const delayMs = 300;

/**
 * Collects all garbage once, `delayMs` from now, in some 10 ms. V8 derives the size at which it collects the old generation from what survived the last full collection.
 * Before the first one it has only a guess, with which 330 pods of four networks left 10 MB of garbage lying. Does not keep the process alive.
 */
export function collectAfterStart(): void {
  setTimeout(collectGarbage, delayMs).unref();
}

/** Node offers the function only to processes that were started with the flag, and a daemon is started in many ways. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  collect();
}
