/** Counts the daemon's work. An observer is told of it and asked nothing: it never throws and is never waited for. */

import type { HandledRequest } from "../multus/request/report.ts";
import type { DelegateRun } from "../telemetry/delegate-run.ts";

/** How long a request took, in milliseconds. */
export interface RequestDurations {
  /** In the line. */
  readonly queue: number;
  /** From its arrival to its answer, the line included. */
  readonly total: number;
}

export interface Observer {
  /** A request has its answer. @param command CNI_COMMAND as it came, which may be no command */
  answered(command: string, handled: HandledRequest, durations: RequestDurations): void;
  /** A request was answered without being worked on. @param code of its CNI error */
  refused(command: string, code: number): void;
  /** A plugin was run, or could not be. */
  delegateRan(run: DelegateRun): void;
  /**
   * A request to the socket was answered, as Go multus counts them: its shim's come over HTTP, so those of our own count as `POST /cni`.
   * @param handler the path that was matched, "NotFound" for none; never what a client made up
   * @param method in capitals or not
   */
  httpAnswered(handler: string, method: string, status: number): void;
}
