/** Waits that an AbortSignal ends. */

/**
 * The value of `promise`, unless the signal is aborted first.
 * @param reason the error to throw then; default: the signal's own
 */
export function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
  reason = (): unknown => signal.reason,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(reason());
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
