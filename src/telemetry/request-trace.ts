/** The trace that one request belongs to: the runtime's, where it sends one, and what the plugins are told of it. */

import type { CniRequest } from "../cni/request.ts";
import type { DelegateRun } from "./delegate-run.ts";
import type { Sampler } from "./sampler.ts";
import {
  formatTraceparent,
  newSpanId,
  newTraceId,
  parseTraceparent,
  type TraceContext,
} from "./trace-context.ts";

/** Variables of the environment, as OpenTelemetry names them (Environment Variables as Context Propagation Carriers). */
const parentVariable = "TRACEPARENT";
const stateVariable = "TRACESTATE";

export class RequestTrace {
  /** The runtime's; undefined where it sent none, or nothing that is one. */
  readonly parent: TraceContext | undefined;
  /** Where this request is in the trace: that of its own span where spans are recorded. */
  readonly context: TraceContext;
  /** Are spans of it to be exported? */
  readonly isRecorded: boolean;
  /** In the order of their ends; empty where nothing is recorded. */
  readonly runs: DelegateRun[] = [];
  /** One moment on two clocks, in milliseconds: `performance.now()` and that of the epoch, which may be set while a daemon lives. */
  readonly began = { monotonic: performance.now(), epoch: Date.now() };
  /** For plugins whose run is no span of its own. */
  readonly #environment: Readonly<Record<string, string>>;

  /** @param sampler undefined: nothing is exported */
  constructor({ traceparent }: CniRequest, sampler: Sampler | undefined) {
    this.parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
    const traceId = this.parent?.traceId ?? newTraceId();
    this.isRecorded = sampler?.(traceId, this.parent) ?? false;
    this.context =
      this.parent === undefined || this.isRecorded
        ? { traceId, spanId: newSpanId(), sampled: this.isRecorded }
        : this.parent;
    // No span of ours is exported then: the plugins' spans have the runtime's as their parent.
    const own = this.context === this.parent ? (traceparent ?? "") : formatTraceparent(this.context);
    this.#environment = {
      [parentVariable]: own,
      // It belongs to what was no TRACEPARENT.
      ...(traceparent !== undefined && this.parent === undefined ? { [stateVariable]: "" } : {}),
    };
  }

  /**
   * The trace variables for a plugin's environment.
   * @param spanId of its run; "": it is no span
   */
  environment(spanId: string): Readonly<Record<string, string>> {
    if (spanId === "") return this.#environment;
    return { ...this.#environment, [parentVariable]: formatTraceparent({ ...this.context, spanId }) };
  }
}
