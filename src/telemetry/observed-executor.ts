/** Observes runs of plugins: gives them their trace variables, and reports how long they took and how they ended. */

import {
  type DetachedLink,
  type Executor,
  ExecutorError,
  type MadeLink,
  type NativeLink,
  type OrderTurn,
  type PluginFile,
  type PluginOutcome,
  type PluginRun,
} from "../agent/executor.ts";
import { ForwardingExecutor } from "../agent/forwarding-executor.ts";
import type { DelegateRun, RunOutcome } from "./delegate-run.ts";
import type { RequestTrace } from "./request-trace.ts";
import { newSpanId } from "./trace-context.ts";

/** Does the same as another one, and tells of the runs. */
export class ObservedExecutor extends ForwardingExecutor {
  readonly #trace: RequestTrace;
  readonly #onRun: ((run: DelegateRun) => void) | undefined;
  /** When orders have ended, by their tokens. */
  readonly #ends = new Map<symbol, number>();

  /** @param onRun is told of each run when it has ended */
  constructor(executor: Executor, trace: RequestTrace, onRun: ((run: DelegateRun) => void) | undefined) {
    super(executor);
    this.#trace = trace;
    this.#onRun = onRun;
  }

  override async runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const spanId = this.#trace.isRecorded ? newSpanId() : "";
    const given = performance.now();
    let outcome: RunOutcome = "not-run";
    let processMilliseconds: number | undefined;
    try {
      const env = { ...run.env, ...this.#trace.environment(spanId) };
      const ended = await this.next.runPlugin({ ...run, env });
      outcome = ended.exitCode === 0 ? "ok" : "failed";
      processMilliseconds = ended.milliseconds;
      return ended;
    } catch (error) {
      if (error instanceof ExecutorError) outcome = error.code;
      throw error;
    } finally {
      const end = performance.now();
      const { token, after } = run;
      this.#ended(token, end);
      // Its time begins where the one before it has ended.
      const start = Math.max(given, (after === undefined ? undefined : this.#ends.get(after)) ?? given);
      if (outcome !== "not-started") this.#tell(run, { start, end, outcome, processMilliseconds, spanId });
    }
  }

  override attachLinks(
    netns: string,
    plugins: readonly PluginFile[],
    links: readonly NativeLink[],
    turn?: OrderTurn,
  ): Promise<readonly MadeLink[]> {
    const made = this.next.attachLinks(netns, plugins, links, turn);
    return made.finally(() => this.#ended(turn?.token));
  }

  override detachLinks(netns: string, links: readonly DetachedLink[], turn?: OrderTurn): Promise<void> {
    return this.next.detachLinks(netns, links, turn).finally(() => this.#ended(turn?.token));
  }

  #ended(token: symbol | undefined, end = performance.now()): void {
    if (token !== undefined) this.#ends.set(token, end);
  }

  #tell({ plugin, env }: PluginRun, observed: Omit<DelegateRun, "plugin" | "command" | "ifName">): void {
    const { CNI_COMMAND: command = "", CNI_IFNAME: ifName = "" } = env;
    const seen = { plugin, command, ifName, ...observed };
    if (seen.spanId !== "") this.#trace.runs.push(seen);
    this.#onRun?.(seen);
  }
}
