/** Observes runs of plugins: gives them their trace variables, and reports how long they took and how they ended. */

import { type Executor, ExecutorError, type PluginOutcome, type PluginRun } from "../agent/executor.ts";
import { ForwardingExecutor } from "../agent/forwarding-executor.ts";
import type { DelegateRun, RunOutcome } from "./delegate-run.ts";
import type { RequestTrace } from "./request-trace.ts";
import { newSpanId } from "./trace-context.ts";

/** Does the same as another one, and tells of the runs. */
export class ObservedExecutor extends ForwardingExecutor {
  readonly #trace: RequestTrace;
  readonly #onRun: ((run: DelegateRun) => void) | undefined;

  /** @param onRun is told of each run when it has ended */
  constructor(executor: Executor, trace: RequestTrace, onRun: ((run: DelegateRun) => void) | undefined) {
    super(executor);
    this.#trace = trace;
    this.#onRun = onRun;
  }

  override async runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const spanId = this.#trace.isRecorded ? newSpanId() : "";
    const start = performance.now();
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
      const { CNI_COMMAND: command = "", CNI_IFNAME: ifName = "" } = run.env;
      const seen = {
        ...{ plugin: run.plugin, command, ifName, start, end: performance.now() },
        ...{ outcome, processMilliseconds, spanId },
      };
      if (spanId !== "") this.#trace.runs.push(seen);
      this.#onRun?.(seen);
    }
  }
}
