/** A request's handler with everything around it that watches: its trace, and who counts. */

import type { CniRequest } from "../cni/request.ts";
import { observedExecutor } from "../telemetry/delegate-run.ts";
import type { Tracer } from "../telemetry/tracer.ts";
import type { Observer } from "./observer.ts";
import type { RequestHandler } from "./shim-session.ts";

/** The same handler, whose requests belong to traces, whose plugins are told of them, and whose work is counted. @param observer undefined: nobody counts */
export function observed<Request extends CniRequest>(
  handle: RequestHandler<Request>,
  tracer: Tracer,
  observer: Observer | undefined,
): RequestHandler<Request> {
  const onRun = observer === undefined ? undefined : observer.delegateRan.bind(observer);
  return async (request, executor, log, arrived, pause) => {
    const trace = tracer.begin(request);
    const started = trace.began.monotonic;
    const id = tracer.idFor(trace);
    const ownLog = id === "" ? log : log.with({ trace: id });
    const handled = await handle(request, observedExecutor(executor, trace, onRun), ownLog, arrived, pause);
    handled.report.trace = id;
    tracer.end(trace, request, handled, arrived);
    observer?.answered(request.command, handled, {
      queue: started - arrived,
      total: performance.now() - arrived,
    });
    return handled;
  };
}
