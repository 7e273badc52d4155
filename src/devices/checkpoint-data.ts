/** The content of the kubelet's device-manager checkpoint, with the names of this project. */

/** One resource of one container. */
export interface CheckpointEntry {
  readonly podUid: string;
  readonly container: string;
  readonly resourceName: string;
  /** `list`: of Kubernetes up to 1.19; `nodes`: by NUMA node, -1 where a device has none. undefined in them is Go's nil. */
  readonly devices:
    | { readonly form: "list"; readonly ids: readonly string[] | undefined }
    | {
        readonly form: "nodes";
        readonly byNode: ReadonlyMap<bigint, readonly string[] | undefined> | undefined;
      };
  /** The device plugin's answer. */
  readonly allocation: Uint8Array | undefined;
}

/** The checkpoint's content; undefined is Go's nil. */
export interface CheckpointData {
  readonly entries: readonly CheckpointEntry[] | undefined;
  /** Healthy devices by resource. */
  readonly registered: ReadonlyMap<string, readonly string[] | undefined> | undefined;
}
