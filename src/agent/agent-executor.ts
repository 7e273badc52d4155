/** An Executor for one request whose asker has no shim: an agent of this process carries its orders out, in the environment that came with the request. */

import type { AgentPool } from "./agent-pool.ts";
import { EarlierOrders } from "./earlier-orders.ts";
import {
  type Executor,
  ExecutorError,
  type ExpectedLink,
  type LinkState,
  type PluginOutcome,
  type PluginRun,
} from "./executor.ts";

export interface AgentRequest {
  /** Base of the plugins' environment, under the variables of each run: the runtime's. */
  readonly environment: Readonly<Record<string, string>>;
  /** Colon separated directories: for orders that name none, where no agent is there yet. */
  readonly path: string;
}

const privileges =
  "the daemon carries out requests over HTTP itself, and needs a container runtime's privileges for that (CAP_SYS_ADMIN, CAP_NET_ADMIN)";

export class AgentExecutor implements Executor {
  readonly #agents: AgentPool;
  readonly #request: AgentRequest;
  readonly #earlier = new EarlierOrders();
  /** Why nothing more is carried out. */
  #ended: string | undefined;

  constructor(agents: AgentPool, request: AgentRequest) {
    this.#agents = agents;
    this.#request = request;
  }

  /**
   * Nothing more is begun. Orders under way are waited for, as the agent goes on with them, and then fail: until its plugin has ended nothing else may be done to the
   * container.
   */
  end(reason: string): void {
    this.#ended ??= reason;
  }

  /** A run that is after another one is ordered when that one has succeeded: each may have an agent of its own. */
  runPlugin({ token, after, ...run }: PluginRun): Promise<PluginOutcome> {
    return this.#earlier.rememberRun(
      token,
      this.#earlier.inTurn({ after }, () => this.#run(run)),
    );
  }

  #run({ leftNetns, ...run }: PluginRun): Promise<PluginOutcome> {
    // An agent compares no namespaces, so the plugin gets none.
    const netns = leftNetns === undefined ? {} : { CNI_NETNS: "" };
    const env = { ...this.#request.environment, ...run.env, ...netns };
    // By the spec every plugin stands a second call, but for ADD.
    const isRepeatable = run.env.CNI_COMMAND !== "ADD";
    return this.#order(run.path, isRepeatable, (executor) => executor.runPlugin({ ...run, env }));
  }

  linkExists(netns: string, ifName: string): Promise<boolean> {
    return this.#order(this.#anyPath, true, (executor) => executor.linkExists(netns, ifName));
  }

  linkStates(netns: string, links: readonly ExpectedLink[]): Promise<readonly LinkState[]> {
    return this.#order(this.#anyPath, true, (executor) => executor.linkStates(netns, links));
  }

  setDefaultRoutes(...order: Parameters<Executor["setDefaultRoutes"]>): Promise<void> {
    return this.#order(this.#anyPath, true, (executor) => executor.setDefaultRoutes(...order));
  }

  /** A client without a shim has its plugins run: an order that may be half done with an agent that was killed could not be given to another one. */
  async attachLinks(): Promise<never> {
    throw new ExecutorError("unsuited", "an agent makes no links");
  }

  async detachLinks(): Promise<never> {
    throw new ExecutorError("unsuited", "an agent removes no links");
  }

  get #anyPath(): string {
    return this.#agents.anyPath ?? this.#request.path;
  }

  /** An agent may be killed at any moment: another one is given what cannot have been begun, or may be done twice. */
  async #order<Answer>(
    path: string,
    isRepeatable: boolean,
    carryOut: (executor: Executor) => Promise<Answer>,
  ): Promise<Answer> {
    for (let isFirst = true; ; isFirst = false) {
      this.#checkNotEnded();
      let answer: Answer;
      try {
        answer = await this.#agents.use(path, (executor) => {
          // Its agent may have had to start first.
          this.#checkNotEnded();
          return carryOut(executor);
        });
      } catch (error) {
        const isAgentGone = error instanceof ExecutorError && error.code === "gone";
        if (isFirst && isAgentGone && (isRepeatable || error.neverArrived)) continue;
        throw withAdvice(error);
      }
      this.#checkNotEnded();
      return answer;
    }
  }

  /** @throws {ExecutorError} */
  #checkNotEnded(): void {
    if (this.#ended !== undefined) throw new ExecutorError("gone", this.#ended);
  }
}

/** Names the missing privileges in an error of an agent whose kernel forbids it what a runtime's plugin may do. */
function withAdvice(error: unknown): unknown {
  return error instanceof ExecutorError && /Operation not permitted|Permission denied/.test(error.message)
    ? new ExecutorError(error.code, `${error.message}; ${privileges}`)
    : error;
}
