/** A daemon's answer to `GET /status`, in the form that multusctl reads. docs/configuration.md has it, too. */

/** A request that was answered. */
interface RecentRequest {
  /** When it was answered: ISO 8601, UTC. */
  readonly at: string;
  /** CNI_COMMAND. */
  readonly command: string;
  /** `namespace/name`; "" where the request names none. */
  readonly pod: string;
  readonly containerId: string;
}

/** A request that failed. */
export interface RecentFailure extends RecentRequest {
  /** Of the CNI error. */
  readonly code: number;
  readonly message: string;
}

/** How long a request with networks took that succeeded. */
export interface RequestTiming extends RecentRequest {
  /** From its arrival to its answer. */
  readonly milliseconds: number;
  /** In the order in which work on them began; 64 at most. */
  readonly networks: readonly {
    /** `namespace/nad`, or the configuration's name. */
    readonly network: string;
    readonly ifName: string;
    readonly milliseconds: number;
    /** An order made or removed it, not its plugins: `milliseconds` is its share of the order's. */
    readonly native?: true;
  }[];
  /** Of `milliseconds`, until a slot was free. A daemon of an older build does not say it. */
  readonly queueMilliseconds?: number;
  /** Milliseconds by phase (docs/metrics.md), in the order in which they began. A daemon of an older build does not say it. */
  readonly phases?: Readonly<Record<string, number>>;
  /** Runs of plugins, in the order of their ends; 128 at most. A daemon of an older build does not say it. */
  readonly plugins?: readonly PluginTiming[];
}

/** A run of a plugin to its end. */
export interface PluginTiming {
  /** Type of the plugin. */
  readonly plugin: string;
  /** CNI_COMMAND and CNI_IFNAME; "" where it has none. */
  readonly command: string;
  readonly ifName: string;
  /** Spawn to exit of its process. */
  readonly milliseconds: number;
}

/** Requests of one kind. */
export interface LaneStatus {
  /** `add`, `del`, `check`, `status`, `gc` */
  readonly lane: string;
  /** Requests that have a slot. */
  readonly running: number;
  /** Those that wait for a slot, or for an earlier request of their container. */
  readonly waiting: number;
  /** Those that have started, and wait for the API or a file without a slot. */
  readonly paused: number;
  /** How many of one namespace may run. */
  readonly slots: number;
  /** How many of all namespaces. */
  readonly allSlots: number;
}

/** A pod that runs without the networks that it selects. */
export interface MissingPodStatus {
  /** `namespace/name` */
  readonly pod: string;
  /** Kind of the object that makes the pod again when it is gone; "" if there is none. */
  readonly controller: string;
  /** When the daemon found it: ISO 8601, UTC. */
  readonly foundAt: string;
  /** The daemon's action: reported, and with `onMissingNetworks: evict` whether it is evicted, and why not. */
  readonly action: string;
}

/** The page; members may be added. @typeParam Cluster what is said of each cluster */
export interface DaemonStatus<Cluster> {
  readonly version: string;
  /** Of the wire between plugin and daemon. */
  readonly protocol: number;
  readonly pid: number;
  /** In its cluster; "" where it is not known. */
  readonly nodeName: string;
  /** Path of the configuration's kubeconfig that is not there, so that the pod's service account is used. Only where it is so. */
  readonly missingKubeconfig?: string;
  /** By what the daemon knows which devices pods have, and where it looks; a daemon of an older build does not say it. */
  readonly devices?: {
    readonly source: "pod-resources" | "checkpoint" | "none";
    readonly socket: string;
    readonly checkpoint: string;
  };
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
    /** Of those running, of one namespace and one kind. */
    readonly limit: number;
    /** By kind; a daemon of an older build does not say it. */
    readonly lanes?: readonly LaneStatus[];
  };
  readonly memoryBytes: number;
  /** Network configuration files that are kept parsed. */
  readonly configFiles: number;
  /** Those that are open. */
  readonly clusters: readonly Cluster[];
  /** A daemon of an older build does not say it. */
  readonly missingNetworks?: readonly MissingPodStatus[];
  /** The newest first; 20 at most. */
  readonly failures: readonly RecentFailure[];
  /** The newest first; 128 at most, and more than 20 only while they are short. A daemon of an older build does not say it. */
  readonly timings?: readonly RequestTiming[];
}
