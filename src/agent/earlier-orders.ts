/** Which orders of one executor have succeeded, by their tokens: for those that are carried out after another one (`after` of an OrderTurn). */

import { ExecutorError, type OrderTurn, type PluginOutcome } from "./executor.ts";

export class EarlierOrders {
  /** Of orders under way and of those that have ended. Their answers are not kept. */
  readonly #succeeded = new Map<symbol, Promise<boolean>>();

  /** Remembers a run of a plugin that was given to the executor, which succeeds with exit code 0. @param token undefined: no other order names it @returns the same outcome */
  rememberRun(token: symbol | undefined, outcome: Promise<PluginOutcome>): Promise<PluginOutcome> {
    return this.#remember(token, outcome, ({ exitCode }) => exitCode === 0);
  }

  /** The same for any other order, which has succeeded where it was carried out. */
  remember<Answer>(token: symbol | undefined, answer: Promise<Answer>): Promise<Answer> {
    return this.#remember(token, answer, () => true);
  }

  /** Carries an order out when its turn comes: at once without `after`. @throws {ExecutorError} not-started */
  inTurn<Answer>({ after }: OrderTurn, carryOut: () => Promise<Answer>): Promise<Answer> {
    return after === undefined ? carryOut() : this.untilSucceeded(after).then(carryOut);
  }

  /** Resolves when the order of this token has succeeded. @throws {ExecutorError} not-started: it has not, or never was */
  async untilSucceeded(token: symbol): Promise<void> {
    if (await this.#succeeded.get(token)) return;
    throw new ExecutorError("not-started", "the order before it has not succeeded");
  }

  #remember<Answer>(
    token: symbol | undefined,
    answer: Promise<Answer>,
    isSuccess: (answer: Answer) => boolean,
  ): Promise<Answer> {
    if (token !== undefined) {
      this.#succeeded.set(
        token,
        answer.then(isSuccess, () => false),
      );
    }
    return answer;
  }
}
