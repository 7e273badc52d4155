/** A daemon that has nothing to do, as its metrics see it. */

import type { DaemonState } from "../../../src/daemon/metrics/state.ts";

export const quietState: DaemonState = {
  waiting: 0,
  running: 0,
  limit: 16,
  isStopping: false,
  configFiles: 0,
  clusters: [],
  spool: undefined,
  spans: undefined,
};
