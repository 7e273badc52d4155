/**
 * Agents of this process: one for each set of plugin directories that is asked for, started when it is needed, ended when it is not needed any more. Where one has
 * many orders under way there is another: plugins that hang hold up no others.
 */

import { errorText } from "../log/error-text.ts";
import type { AgentProcess } from "./agent-process.ts";
import { type Executor, ExecutorError } from "./executor.ts";

export interface AgentPoolOptions {
  /** Starts an agent that may run the plugins of these directories. @throws {Error} */
  start(directories: readonly string[]): Promise<AgentProcess>;
  /** Milliseconds after which an unused agent ends. */
  readonly idleMs: number;
}

/** An agent, running or about to. */
interface PooledAgent {
  /** Its directories, colon separated. */
  readonly path: string;
  readonly starting: Promise<AgentProcess>;
  /** Orders under way. */
  orders: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** An agent runs 64 plugins at once (docs/wire.md, "Frames"); all further orders wait behind them. */
const mostOrders = 48;
/** A node has one set of directories, or two. Agents beyond that many end as soon as they are idle. */
const keptWhenIdle = 4;

export class AgentPool implements AsyncDisposable {
  readonly #options: AgentPoolOptions;
  /** The one that was used last is the last. */
  readonly #agents = new Set<PooledAgent>();
  #closed = false;

  constructor(options: AgentPoolOptions) {
    this.#options = options;
  }

  /**
   * Has an order carried out by the agent of these directories. One that turns out to be gone is not used again.
   * @param path colon separated
   * @throws {ExecutorError} `spawn` where no agent can be started; whatever `order` throws
   */
  async use<Answer>(path: string, order: (executor: Executor) => Promise<Answer>): Promise<Answer> {
    if (this.#closed) throw new ExecutorError("gone", "the daemon stops");
    const agent = this.#withRoom(path) ?? this.#begin(path);
    clearTimeout(agent.idleTimer);
    this.#agents.delete(agent);
    this.#agents.add(agent);
    agent.orders += 1;
    try {
      return await order((await agent.starting).executor);
    } catch (error) {
      // Its end may not have been noticed yet.
      if (error instanceof ExecutorError && error.neverArrived) void this.#end(agent);
      throw error;
    } finally {
      agent.orders -= 1;
      if (agent.orders === 0) this.#rest(agent);
    }
  }

  /** Directories of an agent that is there, for orders that need none; undefined: there is no agent. */
  get anyPath(): string | undefined {
    return [...this.#agents].at(-1)?.path;
  }

  /** Ends all of them, and with them every plugin that they still run. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#agents].map((agent) => this.#end(agent)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #withRoom(path: string): PooledAgent | undefined {
    return [...this.#agents].findLast((agent) => agent.path === path && agent.orders < mostOrders);
  }

  #begin(path: string): PooledAgent {
    const starting = this.#options.start(path.split(":").filter((directory) => directory !== ""));
    const agent: PooledAgent = {
      path,
      starting: starting.catch((error: unknown) => {
        this.#remove(agent);
        throw new ExecutorError("spawn", `no agent to run plugins: ${errorText(error)}`);
      }),
      orders: 0,
      idleTimer: undefined,
    };
    // The next order gets a new one.
    starting.then(
      ({ ended }) => ended.then(() => this.#remove(agent)),
      () => {},
    );
    return agent;
  }

  #rest(agent: PooledAgent): void {
    if (!this.#agents.has(agent)) return;
    const end = () => void this.#end(agent);
    if (this.#agents.size > keptWhenIdle) end();
    // It keeps no process alive: the pool's owner closes it.
    else agent.idleTimer = setTimeout(end, this.#options.idleMs).unref();
  }

  async #end(agent: PooledAgent): Promise<void> {
    this.#remove(agent);
    // An agent that did not start has already failed its order.
    const process = await agent.starting.catch(() => undefined);
    await process?.close();
  }

  #remove(agent: PooledAgent): void {
    clearTimeout(agent.idleTimer);
    this.#agents.delete(agent);
  }
}
