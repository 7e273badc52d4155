/** The error that bad input must meet. */

import { type CniError, cniErrorOf } from "../../src/cni/errors.ts";

/** @returns the error that `work` throws @throws what else it throws, or an Error if it throws nothing */
export function refusal<Refusal extends Error>(
  work: () => unknown,
  kind: abstract new (...args: never[]) => Refusal,
): Refusal {
  try {
    work();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** @returns the error that `work` throws, as a runtime sees it @throws what else it throws, or an Error if it throws nothing */
export function cniRefusal(work: () => unknown): CniError {
  const error = refusal(work, Error);
  const known = cniErrorOf(error);
  if (known === undefined) throw error;
  return known;
}
