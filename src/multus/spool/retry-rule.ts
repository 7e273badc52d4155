/**
 * How often a DEL that fails is tried: by the runtime, until it is told success (docs/configuration.md, "A DEL that fails"); then as a record, at once and after pauses that grow with each try
 * that failed, until it is given up (docs/wire.md, "The replay").
 */

/** From this DEL of a container on the runtime is not told again that it has failed. */
const triesOfRuntime = 3;
/** Nor when the first one that failed is so many milliseconds ago. */
const patienceMs = 2 * 60_000;

/** Replays of a record where no network of its container has a result: with the pauses before them that is 41 minutes, enough for an API server that was away. */
const triesWithoutResult = 8;

/** After so many tries a record is set aside: with the pauses between them that is a day. With `triesOfCrash` they stay below 100, as names have two digits for them. */
export const mostTries = 79;
/** A record that is begun has so many tries more until its end is known: one that brings the daemon down does not do so for a day. */
export const triesOfCrash = 5;

/** Milliseconds from the first try that failed to the next; doubled with each. */
const firstPauseMs = 10_000;
export const longestPauseMs = 20 * 60_000;

/**
 * When a record is due, in milliseconds since 1970.
 * @param tries that failed
 * @param modifiedMs of its file: when the last one failed. One in the future says nothing, as the clock was set back: the record is due
 * @param nowMs milliseconds since 1970
 */
export function dueAt(tries: number, modifiedMs: number, nowMs: number): number {
  if (tries === 0 || modifiedMs > nowMs) return 0;
  return modifiedMs + Math.min(firstPauseMs * 2 ** (tries - 1), longestPauseMs);
}

/** How often a record may be tried, this time included. A person may have brought one back that was set aside: that one is tried once. */
export function triesLeftOf(tries: number): number {
  return Math.max(1, mostTries - tries);
}

/** Has the runtime been told often enough? @param asked its DELs that failed @param sinceMs when the first one failed @param nowMs both in milliseconds since 1970 */
export function isToldEnough(asked: number, sinceMs: number, nowMs: number): boolean {
  return asked >= triesOfRuntime || nowMs - sinceMs >= patienceMs;
}

/** Is a record that failed once more not worth another try, where no network of its container has a result? @param triesLeft this one included */
export function isTriedEnoughWithoutResult(triesLeft: number): boolean {
  return mostTries - triesLeft >= triesWithoutResult;
}
