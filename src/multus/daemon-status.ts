/** What a daemon says of itself on `GET /status`: the form that its commands read. docs/configuration.md has it, too. */

/** A request that failed. */
export interface RecentFailure {
  /** When it was answered: ISO 8601, UTC. */
  readonly at: string;
  /** CNI_COMMAND. */
  readonly command: string;
  /** `namespace/name`; "" where the request names none. */
  readonly pod: string;
  readonly containerId: string;
  /** Of the CNI error. */
  readonly code: number;
  readonly message: string;
}

/** The page; members may be added. @typeParam Cluster what is said of each cluster */
export interface DaemonStatus<Cluster> {
  readonly version: string;
  /** Of the wire between plugin and daemon. */
  readonly protocol: number;
  readonly pid: number;
  /** In its cluster; "" where it is not known. */
  readonly nodeName: string;
  /** Does it end by itself when it has had nothing to do for a while? */
  readonly onDemand: boolean;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  /** As GET /readyz says: false once it is stopping, and until the runtime's file that it keeps is in place. */
  readonly ready: boolean;
  /** Why it is not; "" where it is. */
  readonly notReady: string;
  readonly requests: {
    readonly running: number;
    readonly waiting: number;
    /** Of those running. */
    readonly limit: number;
  };
  readonly memoryBytes: number;
  /** Network configuration files that are kept parsed. */
  readonly configFiles: number;
  /** Those that are open. */
  readonly clusters: readonly Cluster[];
  /** The newest first; 20 at most. */
  readonly failures: readonly RecentFailure[];
}
