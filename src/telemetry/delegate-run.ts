/** Runs of plugins, seen from outside: what they are given to know of their trace, how long they took, and how they ended. */

import { type Executor, ExecutorError, type ExecutorErrorCode, type PluginRun } from "../agent/executor.ts";
import type { RequestTrace } from "./request-trace.ts";
import { newSpanId } from "./trace-context.ts";

/** `failed`: it ran to its end and said that it failed; `not-run`: the order itself could not be carried out. */
export type RunOutcome = "ok" | "failed" | "not-run" | ExecutorErrorCode;

export interface DelegateRun {
  /** Type of the plugin. */
  readonly plugin: string;
  /** CNI_COMMAND and CNI_IFNAME; "" where it has none. */
  readonly command: string;
  readonly ifName: string;
  /** Milliseconds of `performance.now()`: the order was given, and its answer was there. */
  readonly start: number;
  readonly end: number;
  readonly outcome: RunOutcome;
  /** "" where it is no span. */
  readonly spanId: string;
}

/**
 * An executor that does the same and tells of it.
 * @param onRun is told of each run when it has ended
 */
export function observedExecutor(
  executor: Executor,
  trace: RequestTrace,
  onRun: ((run: DelegateRun) => void) | undefined,
): Executor {
  const run = async (order: PluginRun, spanId: string) => {
    const start = performance.now();
    let outcome: RunOutcome = "not-run";
    try {
      const ended = await executor.runPlugin(order);
      outcome = ended.exitCode === 0 ? "ok" : "failed";
      return ended;
    } catch (error) {
      if (error instanceof ExecutorError) outcome = error.code;
      throw error;
    } finally {
      const { CNI_COMMAND: command = "", CNI_IFNAME: ifName = "" } = order.env;
      const seen = { plugin: order.plugin, command, ifName, start, end: performance.now(), outcome, spanId };
      if (spanId !== "") trace.runs.push(seen);
      onRun?.(seen);
    }
  };
  return {
    runPlugin(order) {
      const spanId = trace.isRecorded ? newSpanId() : "";
      const env = { ...order.env, ...trace.environment(spanId) };
      const traced = { ...order, env };
      return spanId === "" && onRun === undefined ? executor.runPlugin(traced) : run(traced, spanId);
    },
    linkExists: (netns, ifName) => executor.linkExists(netns, ifName),
    linkStates: (netns, links) => executor.linkStates(netns, links),
    setDefaultRoutes: (netns, ifName, clear, gateways) =>
      executor.setDefaultRoutes(netns, ifName, clear, gateways),
  };
}
