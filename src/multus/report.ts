/** What a request did and how long each part of it took: for the log line and for tables. */

/** One attachment of a request. */
export interface NetworkReport {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly ifName: string;
  readonly milliseconds: number;
}

/** Filled while a request runs. */
export interface RequestReport {
  /** "" where the request names none. */
  podNamespace: string;
  podName: string;
  podUid: string;
  /** In the order in which they were worked on. */
  readonly networks: NetworkReport[];
  /** Milliseconds by phase (netconf, ready, pod-lookup, plan, plan-file, delegates, undo, status), in order. */
  readonly phases: Map<string, number>;
}

/** @returns a report with nothing in it */
export function newReport(): RequestReport {
  return { podNamespace: "", podName: "", podUid: "", networks: [], phases: new Map() };
}

/** Adds the time since `since` to a phase. @param since milliseconds of `performance.now()` @returns now, on the same clock */
export function endPhase(report: RequestReport, phase: string, since: number): number {
  const now = performance.now();
  report.phases.set(phase, (report.phases.get(phase) ?? 0) + (now - since));
  return now;
}
