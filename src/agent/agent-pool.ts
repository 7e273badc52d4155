/** Agents of this process: one for each set of plugin directories that is asked for, started when it is needed, ended when it is not needed any more. */

import { errorText } from "../log/error-text.ts";
import type { AgentProcess } from "./agent-process.ts";
import { type Executor, ExecutorError } from "./executor.ts";

export interface AgentPoolOptions {
  /** Starts an agent that may run the plugins of these directories. @throws {Error} */
  start(directories: readonly string[]): Promise<AgentProcess>;
  /** Milliseconds after which an agent that nobody uses ends. */
  readonly idleMs: number;
}

/** An agent, running or about to. */
interface PooledAgent {
  readonly starting: Promise<AgentProcess>;
  /** Orders under way. */
  orders: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** A node has one set of directories, or two. Agents beyond that many end as soon as they are idle. */
const keptWhenIdle = 4;

export class AgentPool implements AsyncDisposable {
  readonly #options: AgentPoolOptions;
  /** By the directories, colon separated; the one that was used last is the last. */
  readonly #agents = new Map<string, PooledAgent>();
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
    const agent = this.#agents.get(path) ?? this.#begin(path);
    clearTimeout(agent.idleTimer);
    this.#agents.delete(path);
    this.#agents.set(path, agent);
    agent.orders += 1;
    try {
      return await order((await agent.starting).executor);
    } catch (error) {
      // Its end may not have been noticed yet.
      if (error instanceof ExecutorError && error.neverArrived) void this.#end(path, agent);
      throw error;
    } finally {
      agent.orders -= 1;
      if (agent.orders === 0) this.#rest(path, agent);
    }
  }

  /** Directories of an agent that is there, for orders that need none; undefined: there is no agent. */
  get anyPath(): string | undefined {
    return [...this.#agents.keys()].at(-1);
  }

  /** Ends all of them, and with them every plugin that they still run. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#agents].map(([path, agent]) => this.#end(path, agent)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #begin(path: string): PooledAgent {
    const starting = this.#options.start(path.split(":").filter((directory) => directory !== ""));
    const agent: PooledAgent = {
      starting: starting.catch((error: unknown) => {
        this.#remove(path, agent);
        throw new ExecutorError("spawn", `no agent to run plugins: ${errorText(error)}`);
      }),
      orders: 0,
      idleTimer: undefined,
    };
    // The next order gets a new one.
    starting.then(
      ({ ended }) => ended.then(() => this.#remove(path, agent)),
      () => {},
    );
    return agent;
  }

  #rest(path: string, agent: PooledAgent): void {
    if (this.#agents.get(path) !== agent) return;
    const end = () => void this.#end(path, agent);
    if (this.#agents.size > keptWhenIdle) end();
    // It keeps no process alive: whoever owns the pool closes it.
    else agent.idleTimer = setTimeout(end, this.#options.idleMs).unref();
  }

  async #end(path: string, agent: PooledAgent): Promise<void> {
    this.#remove(path, agent);
    // One that did not start has been somebody's error.
    const process = await agent.starting.catch(() => undefined);
    await process?.close();
  }

  #remove(path: string, agent: PooledAgent): void {
    clearTimeout(agent.idleTimer);
    if (this.#agents.get(path) === agent) this.#agents.delete(path);
  }
}
