/** A request's work and the duration of each part: for the log line, for tables, for metrics and traces. */

/** One attachment of a request. */
export interface NetworkReport {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly ifName: string;
  /** On the clock of `performance.now()`. */
  readonly start: number;
  readonly milliseconds: number;
}

/** A part of the work. */
export interface PhaseReport {
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
  /** In the order in which they were worked on. */
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

/** Adds the time since `since` to a phase. @param since milliseconds of `performance.now()` @returns now, on the same clock */
export function endPhase(report: RequestReport, phase: string, since: number): number {
  const now = performance.now();
  report.phases.set(phase, (report.phases.get(phase) ?? 0) + (now - since));
  report.timeline.push({ phase, start: since, end: now });
  return now;
}
