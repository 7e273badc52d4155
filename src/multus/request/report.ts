/** A request's work and the duration of each part: for the log line, for tables, for metrics and traces. */

import type { CniError } from "../../cni/errors.ts";
import type { CniReply } from "../../cni/request.ts";

export interface NetworkReport {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly ifName: string;
  /** On the clock of `performance.now()`. */
  readonly start: number;
  readonly milliseconds: number;
  /** When it was ordered, where that was before the network before it was done. Its time counts from the end of that one. */
  readonly ordered?: number;
  /** An order made or removed it, not its plugins; the milliseconds are its share of the order's. */
  readonly isNative?: true;
}

interface PhaseReport {
  /** One of netconf, recorded, ready, pod-lookup, plan, plan-file, delegates, links, undo, status. */
  readonly phase: string;
  /** Milliseconds of `performance.now()`. */
  readonly start: number;
  readonly end: number;
}

/** Filled while a request runs. */
export interface RequestReport {
  /** "" where the request names none. */
  podNamespace: string;
  podName: string;
  podUid: string;
  /** In the order in which work on them began. */
  readonly networks: NetworkReport[];
  /** Milliseconds by phase, in order. */
  readonly phases: Map<string, number>;
  /** The same as it went. */
  readonly timeline: PhaseReport[];
  /** The DEL has failed and is to be recorded: `tell` the runtime all the same, or have it told success. */
  record: "no" | "tell" | "instead";
  /** Id of the trace that the request belongs to; "" where nobody could look it up. */
  trace: string;
}

export interface HandledRequest extends CniReply {
  readonly report: RequestReport;
  /** undefined where all went well. */
  readonly error: CniError | undefined;
}

/** @returns a report with nothing in it */
export function newReport(): RequestReport {
  return {
    podNamespace: "",
    podName: "",
    podUid: "",
    networks: [],
    phases: new Map(),
    timeline: [],
    record: "no",
    trace: "",
  };
}

/** Does a part of a request's work, and notes how long it took, also where it fails. */
export async function inPhase<Result>(
  report: RequestReport,
  phase: string,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const start = performance.now();
  try {
    return await work();
  } finally {
    const end = performance.now();
    report.phases.set(phase, (report.phases.get(phase) ?? 0) + (end - start));
    report.timeline.push({ phase, start, end });
  }
}
