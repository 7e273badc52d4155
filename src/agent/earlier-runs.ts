/** Which runs of one executor have succeeded, by their tokens: for runs that are started after another one (`after` of a PluginRun). */

import { ExecutorError, type PluginOutcome } from "./executor.ts";

export class EarlierRuns {
  /** Of runs that go on and of those that have ended. What they printed is not kept. */
  readonly #succeeded = new Map<symbol, Promise<boolean>>();

  /** Remembers a run that has been given to the executor. @param token undefined: no other run names it @returns the same outcome */
  remember(token: symbol | undefined, outcome: Promise<PluginOutcome>): Promise<PluginOutcome> {
    if (token !== undefined) {
      this.#succeeded.set(
        token,
        outcome.then(
          ({ exitCode }) => exitCode === 0,
          () => false,
        ),
      );
    }
    return outcome;
  }

  has(token: symbol): boolean {
    return this.#succeeded.has(token);
  }

  /** Resolves when the run of this token has ended with exit code 0. @throws {ExecutorError} not-started: it has ended otherwise, or never was */
  async untilSucceeded(token: symbol): Promise<void> {
    if (await this.#succeeded.get(token)) return;
    throw new ExecutorError("not-started", "the run before it has not succeeded");
  }
}
