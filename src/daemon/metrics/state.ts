/** The daemon's state at a moment: read when metrics are fetched, and at no other time. */

import type { ClusterState } from "../../kube/cluster-state.ts";
import type { MissingPod } from "../../multus/background/missing-search.ts";
import type { FailedDelCounts } from "../../multus/failed-dels.ts";
import type { SpoolState } from "../../multus/spool/spool.ts";
import type { LaneStatus } from "../../socket/status.ts";
import type { SpanCounts } from "../../telemetry/span-queue.ts";

/** Recorded DELs: those that came while no daemon was there, and those that fail. */
export type SpoolFigures = Pick<SpoolState, "waiting" | "oldestMs" | "failed" | "broken">;

/** The daemon's own values. */
export interface OwnState {
  /** Requests in the lines, those worked on, and how many of these one namespace may have of one kind. */
  readonly waiting: number;
  readonly running: number;
  readonly limit: number;
  /** The same for each lane. */
  readonly lanes: readonly LaneStatus[];
  /** Does it say in /readyz that it can be given work? */
  readonly isReady: boolean;
  /** Has it been told to stop? */
  readonly isStopping: boolean;
  /** Network configuration files that are kept parsed. */
  readonly configFiles: number;
  /** Containers whose DEL has failed. */
  readonly failedDels: FailedDelCounts;
  /** Those that are open. */
  readonly clusters: readonly ClusterState[];
  /** Pods of the node that run without the networks that they select. */
  readonly missingNetworks: readonly MissingPod[];
}

export interface DaemonState extends OwnState {
  /** undefined: it cannot be read. */
  readonly spool: SpoolFigures | undefined;
  /** undefined: none are exported. */
  readonly spans: SpanCounts | undefined;
}

/** Values that never change while the daemon lives. */
export interface BuildInfo {
  readonly version: string;
  /** Of the wire between plugin and daemon. */
  readonly protocol: number;
}
