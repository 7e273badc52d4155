/** The log line of a request: its pod and container, its outcome, and the time of each phase. */

import type { CniRequest } from "../cni/request.ts";
import type { LogFields, Logger } from "../log/logger.ts";
import { bounded } from "../log/quoted.ts";
import type { HandledRequest } from "../multus/request/report.ts";
import type { RequestDurations } from "./observer.ts";

/** The daemon's data beyond the handler's report. */
export interface RequestTimes extends RequestDurations {
  /** The client was gone before the reply. */
  readonly gone: boolean;
}

/** Writes the line: at level error where the request failed, else at verbose. Times are milliseconds. */
export function logRequest(
  log: Logger,
  request: CniRequest,
  handled: HandledRequest,
  times: RequestTimes,
): void {
  const { report, error } = handled;
  const pod = report.podName === "" ? undefined : `${report.podNamespace}/${report.podName}`;
  const networks = report.networks.map(
    ({ name, ifName, milliseconds }) => `${name}@${ifName}:${milliseconds.toFixed(2)}`,
  );
  const native = report.networks.filter(({ isNative }) => isNative).length;
  const fields: LogFields = {
    pod,
    container: request.containerId === "" ? undefined : request.containerId,
    trace: report.trace === "" ? undefined : report.trace,
    networks: networks.length === 0 ? undefined : networks.join(","),
    native: native === 0 ? undefined : native,
    gone: times.gone ? true : undefined,
    queue: times.queue,
    ...Object.fromEntries(report.phases),
    total: times.total,
  };
  const command = bounded(request.command);
  if (error === undefined) log.verbose(`${command} done`, fields);
  else log.error(`${command} failed`, { ...fields, code: error.code, error: error.message });
}
