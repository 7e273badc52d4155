/** The spans of a request, made when it is done: itself, its phases, its networks, its plugins. */

import type { CniRequest } from "../cni/request.ts";
import type { HandledRequest, NetworkReport } from "../multus/request/report.ts";
import type { RequestTrace } from "./request-trace.ts";
import { newSpanId } from "./trace-context.ts";

/** A span that has ended. */
export interface FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** "" where the trace begins with it. */
  readonly parentSpanId: string;
  /** Is the parent a span of another process? */
  readonly isParentRemote: boolean;
  readonly name: string;
  /** Serves another process (the request), calls one (a plugin), or neither. */
  readonly kind: "server" | "client" | "internal";
  /** Milliseconds of the epoch, with fractions. */
  readonly start: number;
  readonly end: number;
  /** undefined values are left out. */
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  /** undefined: all went well. */
  readonly error: string | undefined;
}

/** A span before it is known whose child it is; times are those of `performance.now()`. */
interface Part extends Pick<FinishedSpan, "name" | "kind" | "attributes" | "error"> {
  readonly spanId: string;
  readonly start: number;
  readonly end: number;
}

/**
 * @param arrived when the request came, and @param ended when its answer was there: milliseconds of `performance.now()`
 * @returns the request's own span first, then what happened in it
 */
export function spansOf(
  trace: RequestTrace,
  request: CniRequest,
  { report, error }: HandledRequest,
  arrived: number,
  ended: number,
): FinishedSpan[] {
  const { command, containerId, ifName } = request;
  const root: Part = {
    name: `CNI ${command}`,
    kind: "server",
    spanId: trace.context.spanId,
    start: arrived,
    end: ended,
    attributes: {
      "cni.command": command,
      "cni.interface": text(ifName),
      "container.id": text(containerId),
      "k8s.namespace.name": text(report.podNamespace),
      "k8s.pod.name": text(report.podName),
      "k8s.pod.uid": text(report.podUid),
      "cni.error.code": error?.code,
    },
    error: error?.message,
  };
  const queue = { phase: "queue", start: arrived, end: trace.began.monotonic };
  const phases = [queue, ...report.timeline].map(({ phase, start, end }) =>
    part({ name: phase, start, end }),
  );
  const networks = report.networks.map((network) =>
    part({
      name: `network ${network.name}`,
      ...timeOf(network, trace),
      attributes: { "cni.network.name": network.name, "cni.interface": network.ifName },
    }),
  );
  const runs = trace.runs.map(({ plugin, command: of, ifName: at, start, end, outcome, spanId }) =>
    part({
      name: `${plugin} ${of}`,
      kind: "client",
      spanId,
      start,
      end,
      attributes: {
        "cni.plugin": plugin,
        "cni.command": of,
        "cni.interface": text(at),
        "error.type": outcome === "ok" ? undefined : outcome,
      },
      error: outcome === "ok" ? undefined : outcome,
    }),
  );

  const finish = (span: Part, parentSpanId: string, isParentRemote: boolean): FinishedSpan => ({
    ...span,
    traceId: trace.context.traceId,
    parentSpanId,
    isParentRemote,
    start: epochOf(trace, span.start),
    end: epochOf(trace, span.end),
  });
  const below = (parts: readonly Part[], around: readonly Part[]) =>
    parts.map((inner) => finish(inner, (around.find((outer) => holds(outer, inner)) ?? root).spanId, false));
  return [
    finish(root, trace.parent?.spanId ?? "", true),
    ...below(phases, []),
    ...below(networks, phases),
    ...below(runs, [...networks, ...phases]),
  ];
}

/** A plugin that was ordered ahead starts when the one before it ends, and may end before all of that one's network is done: its own network's time holds it. */
function timeOf({ ifName, start, milliseconds, ordered }: NetworkReport, { runs }: RequestTrace) {
  const time = { start, end: start + milliseconds };
  if (ordered === undefined) return time;
  for (const run of runs) {
    if (run.ifName !== ifName || run.end < ordered || run.start > time.end) continue;
    time.start = Math.min(time.start, run.start);
    time.end = Math.max(time.end, run.end);
  }
  return time;
}

function part(given: Pick<Part, "name" | "start" | "end"> & Partial<Part>): Part {
  return { kind: "internal", spanId: newSpanId(), attributes: {}, error: undefined, ...given };
}

/** Did it happen in that, and at the same interface where both have one? */
function holds(outer: Part, inner: Part): boolean {
  const [at, of] = [outer.attributes["cni.interface"], inner.attributes["cni.interface"]];
  return (
    outer.start <= inner.start &&
    inner.end <= outer.end &&
    (at === undefined || of === undefined || at === of)
  );
}

function epochOf({ began }: RequestTrace, monotonic: number): number {
  return began.epoch + (monotonic - began.monotonic);
}

function text(value: string): string | undefined {
  return value === "" ? undefined : value;
}
