/** The error that bad input must meet. */

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
