/** The state of a cluster's watches and deliveries at a moment, for metrics and status pages. */

export interface WatchState {
  /** Kind of what is watched, in plural. */
  readonly resource: string;
  /** Is it open? The kept objects may be old otherwise. */
  readonly connected: boolean;
  /** Was there a complete list? */
  readonly synced: boolean;
  /** Objects that are kept. */
  readonly size: number;
  /** When the server was last heard of in it (a list, an opened watch, an event, a bookmark), in milliseconds of the epoch; undefined: never. */
  readonly heardAt: number | undefined;
  /** Since the start: complete lists, watches that were open, lists and watches that failed. */
  readonly lists: number;
  readonly watches: number;
  readonly failures: number;
  readonly memory: WatchMemory;
}

/** The memory that a watch's objects count for: an object is its name and the part of it that is kept. */
export interface WatchMemory {
  /** At most `limit`. */
  readonly bytes: number;
  readonly limit: number;
  /** Objects that memory has no room for, or only for their names: they are asked of the API when they are needed. */
  readonly leftOut: number;
}

/** Background deliveries to the API, of one kind. */
export interface DeliveryState {
  readonly kind: "status" | "event";
  /** Waiting or under way. */
  readonly pending: number;
  /** Since the start: the API took it; it could not be brought there (refused, too late, too many). */
  readonly delivered: number;
  readonly givenUp: number;
}

export interface ClusterState {
  /** Address of its server: `https://10.96.0.1`. */
  readonly server: string;
  readonly watches: readonly WatchState[];
  readonly deliveries: readonly DeliveryState[];
}
