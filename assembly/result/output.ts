/** Where the output of a call goes on. */

import { ensure, openEnd } from "../memory";

/** Room for the program's own text, and addresses, between two calls of `makeRoom`. */
const OWN_TEXT: usize = 320;

/** The address after what has been written. */
export let out: usize = 0;

/** Starts the output, where the arena is open. */
export function startOutput(): void {
  out = openEnd();
}

/** Takes note of what was written. */
@inline
export function goOn(to: usize): void {
  out = to;
}

/**
 * Makes room for bytes of the input, and for the program's own text around them.
 * @returns false, after fail(), if there is no memory left
 */
@inline
export function makeRoom(bytes: usize): bool {
  return ensure(out + bytes + OWN_TEXT);
}
