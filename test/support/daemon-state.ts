/** Daemons as their metrics see them. */

import type { DaemonState } from "../../src/daemon/metrics/state.ts";

/** Nothing to do, and nothing to do it with. */
export const quietState: DaemonState = {
  waiting: 0,
  running: 0,
  limit: 16,
  lanes: [],
  isReady: true,
  isStopping: false,
  configFiles: 0,
  failedDels: { failing: 0, recorded: 0, "given-up": 0 },
  clusters: [],
  missingNetworks: [],
  spool: undefined,
  spans: undefined,
};

/** A figure for everything that there can be one of. */
export const busyState: DaemonState = {
  waiting: 3,
  running: 16,
  limit: 16,
  lanes: [{ lane: "add", running: 16, waiting: 3, paused: 5, slots: 16, allSlots: 24 }],
  isReady: false,
  isStopping: true,
  configFiles: 4,
  failedDels: { failing: 21, recorded: 22, "given-up": 23 },
  clusters: [
    {
      server: "https://10.0.0.1",
      watches: [
        {
          resource: "pods",
          connected: true,
          synced: true,
          size: 250,
          heardAt: 1_700_000_000_500,
          lists: 1,
          watches: 2,
          failures: 3,
          memory: { bytes: 50_000, limit: 8 << 20, leftOut: 4 },
        },
      ],
      deliveries: [{ kind: "status", pending: 5, delivered: 6, givenUp: 7 }],
    },
  ],
  missingNetworks: [
    {
      pod: "default/web",
      uid: "u-1",
      controller: "ReplicaSet",
      isStatic: false,
      foundAt: "2026-11-23T20:11:12.345Z",
      eviction: undefined,
    },
  ],
  spool: { waiting: 1, failed: 2, broken: 3, oldestMs: 90_000 },
  spans: { exported: 10, failed: 11, dropped: 12 },
};
