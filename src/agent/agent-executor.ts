/** An Executor for one request whose asker has no shim: an agent of this process carries its orders out, in the environment that came with the request. */

import type { AgentPool } from "./agent-pool.ts";
import { type Executor, ExecutorError, type PluginOutcome, type PluginRun } from "./executor.ts";

export interface AgentRequest {
  /** What plugins find in their environment beside what each run says: the runtime's. */
  readonly environment: Readonly<Record<string, string>>;
  /** Colon separated directories: for orders that name none, where no agent is there yet. */
  readonly path: string;
}

const privileges =
  "the daemon carries out requests over HTTP itself, and needs a container runtime's privileges for that (CAP_SYS_ADMIN, CAP_NET_ADMIN)";

export class AgentExecutor implements Executor {
  readonly #agents: AgentPool;
  readonly #request: AgentRequest;
  /** Why nothing more is carried out. */
  #ended: string | undefined;

  constructor(agents: AgentPool, request: AgentRequest) {
    this.#agents = agents;
    this.#request = request;
  }

  /**
   * Nothing more is begun. What is under way is waited for, as the agent goes on with it, and fails then: until its plugin has ended nothing else may be done to the
   * container.
   */
  end(reason: string): void {
    this.#ended ??= reason;
  }

  runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const env = { ...this.#request.environment, ...run.env };
    return this.#order(run.path, (executor) => executor.runPlugin({ ...run, env }));
  }

  linkExists(netns: string, ifName: string): Promise<boolean> {
    return this.#order(this.#anyPath, (executor) => executor.linkExists(netns, ifName));
  }

  setDefaultRoutes(
    netns: string,
    ifName: string,
    clear: readonly (4 | 6)[],
    gateways: readonly string[],
  ): Promise<void> {
    return this.#order(this.#anyPath, (executor) =>
      executor.setDefaultRoutes(netns, ifName, clear, gateways),
    );
  }

  get #anyPath(): string {
    return this.#agents.anyPath ?? this.#request.path;
  }

  async #order<Answer>(path: string, carryOut: (executor: Executor) => Promise<Answer>): Promise<Answer> {
    this.#checkNotEnded();
    try {
      const answer = await this.#agents.use(path, (executor) => {
        // Its agent may have had to start first.
        this.#checkNotEnded();
        return carryOut(executor);
      });
      this.#checkNotEnded();
      return answer;
    } catch (error) {
      throw withAdvice(error);
    }
  }

  /** @throws {ExecutorError} */
  #checkNotEnded(): void {
    if (this.#ended !== undefined) throw new ExecutorError("gone", this.#ended);
  }
}

/** What the kernel forbids the agent it would not forbid a runtime's plugin. */
function withAdvice(error: unknown): unknown {
  return error instanceof ExecutorError && /Operation not permitted|Permission denied/.test(error.message)
    ? new ExecutorError(error.code, `${error.message}; ${privileges}`)
    : error;
}
