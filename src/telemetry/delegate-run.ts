/** A run of a plugin, as it was seen from outside. */

import type { ExecutorErrorCode } from "../agent/executor.ts";

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
  /** Spawn to exit of the plugin's process, as the other end measured it, milliseconds; undefined where it did not run to its end. */
  readonly processMilliseconds: number | undefined;
  /** "" where it is no span. */
  readonly spanId: string;
}
