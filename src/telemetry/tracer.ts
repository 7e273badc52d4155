/** The traces of all requests: begins one with each, and hands its spans on when it is done. */

import type { CniRequest } from "../cni/request.ts";
import type { HandledRequest } from "../multus/request/report.ts";
import { RequestTrace } from "./request-trace.ts";
import type { Sampler } from "./sampler.ts";
import type { SpanQueue } from "./span-queue.ts";
import { spansOf } from "./spans.ts";

export interface TraceExport {
  readonly sampler: Sampler;
  readonly queue: SpanQueue;
}

export class Tracer {
  readonly #export: TraceExport | undefined;

  /** @param traceExport undefined: traces are only passed on */
  constructor(traceExport: TraceExport | undefined) {
    this.#export = traceExport;
  }

  begin(request: CniRequest): RequestTrace {
    return new RequestTrace(request, this.#export?.sampler);
  }

  /** The trace's id where the trace is exported or the runtime's; "" otherwise. */
  idFor(trace: RequestTrace): string {
    return trace.parent !== undefined || this.#export !== undefined ? trace.context.traceId : "";
  }

  /** @param arrived when the request came: milliseconds of `performance.now()` */
  end(trace: RequestTrace, request: CniRequest, handled: HandledRequest, arrived: number): void {
    if (!trace.isRecorded) return;
    const ended = performance.now();
    // After the answer has gone: it need not wait for this.
    setImmediate(() => this.#export?.queue.add(spansOf(trace, request, handled, arrived, ended)));
  }
}
