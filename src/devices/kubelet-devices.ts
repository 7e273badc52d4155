/** The devices that the kubelet has given to a pod: from its pod-resources socket, or from its checkpoint where that socket is not there. */

import { statSync } from "node:fs";
import { ioFailure } from "../base/input-error.ts";
import { largeWork } from "../base/large-work.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { isMissingFile } from "../base/system-error.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import { type PodReference, podKey } from "../multus/input/pod.ts";
import { type ClaimSource, type ContainerDevices, DevicesUnknown } from "../multus/plan/devices.ts";
import { longestCheckpoint } from "./bounds.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import type { CheckpointData, CheckpointEntry } from "./checkpoint-data.ts";
import type { PodResources } from "./pod-resources.ts";

export interface KubeletPaths {
  /** The pod-resources socket. */
  readonly socket: string;
  /** The device manager's checkpoint. */
  readonly checkpoint: string;
}

/** The kubelet's account of a pod. */
export interface KubeletAnswer {
  /** In the pod's order; undefined: it does not know the pod. */
  readonly devices: readonly ContainerDevices[] | undefined;
  /** The resources of which device plugins of this node have devices. Asked where it matters. @returns undefined: the kubelet does not say it */
  resources(): Promise<ReadonlySet<string> | undefined>;
}

/** Reads both. The code of gRPC is loaded when the socket is there, and asked. */
export class KubeletDevices {
  readonly #paths: KubeletPaths;
  readonly #log: Logger;
  readonly #once: OnceLog;
  #podResources: Promise<PodResources> | undefined;

  constructor(paths: KubeletPaths, log: Logger) {
    this.#paths = paths;
    this.#log = log;
    this.#once = new OnceLog(log);
  }

  /**
   * @param claims tells the order of the pod's containers, which a checkpoint does not have
   * @returns undefined: there is neither socket nor checkpoint
   * @throws {CniError} 11 where the kubelet or the API does not answer {@link InputError} where an answer or the file is not as it should be
   */
  async of(pod: PodReference, claims: ClaimSource | undefined): Promise<KubeletAnswer | undefined> {
    if (isSocketThere(this.#paths.socket)) {
      const podResources = await this.#connected();
      return { devices: await podResources.devicesOf(pod), resources: () => podResources.resources() };
    }
    const checkpoint = await this.#readCheckpoint(pod);
    if (checkpoint === undefined) return undefined;
    const { socket, checkpoint: path } = this.#paths;
    this.#once.error(
      "the kubelet's pod-resources socket is not there: devices are read from its checkpoint",
      {
        socket,
        checkpoint: path,
      },
    );
    return {
      devices: await inPodOrder(entriesOf(checkpoint, pod, path), pod, claims),
      resources: async () => new Set(checkpoint.registered?.keys()),
    };
  }

  /** Says what is missing, for an error. */
  get absence(): string {
    const { socket, checkpoint } = this.#paths;
    return `there is neither the kubelet's pod-resources socket ${socket} nor its checkpoint ${checkpoint}: the daemon's pod needs both directories mounted (deploy/, component devices)`;
  }

  close(): void {
    void this.#podResources?.then(
      (podResources) => podResources.close(),
      () => {},
    );
  }

  #connected(): Promise<PodResources> {
    this.#podResources ??= this.#load();
    return this.#podResources;
  }

  async #load(): Promise<PodResources> {
    const { PodResources } = await import("./pod-resources.ts");
    return new PodResources({ socket: this.#paths.socket, log: this.#log });
  }

  async #readCheckpoint({ namespace }: PodReference): Promise<CheckpointData | undefined> {
    const { checkpoint: path } = this.#paths;
    const bytes = checkpointBytes(path);
    return bytes && (await largeWork.run(namespace, bytes.length, () => parseCheckpoint(bytes, path)));
  }
}

/** The kubelet's checkpoint as it was read; undefined: there is none. @throws {InputError} of kind "file" */
export function checkpointBytes(path: string): Uint8Array | undefined {
  try {
    return readRegularFile(path, longestCheckpoint);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw ioFailure("read", path, error);
  }
}

/** Is something at the socket's path? @throws {InputError} of kind "file" where that cannot be known */
export function isSocketThere(socket: string): boolean {
  try {
    return statSync(socket, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw ioFailure("look at", socket, error);
  }
}

/** A checkpoint has its pods by UID: a name that was given twice does not matter there. @throws {DevicesUnknown} */
function entriesOf({ entries = [] }: CheckpointData, pod: PodReference, path: string): CheckpointEntry[] {
  if (pod.uid === "") {
    throw new DevicesUnknown(
      `${path} has the devices of pods by their UID, and CNI_ARGS of pod ${podKey(pod)} has no K8S_POD_UID`,
    );
  }
  return entries.filter(({ podUid }) => podUid === pod.uid);
}

/**
 * The entries of a pod in the order of its containers. The checkpoint itself has them in the order of Go maps, which says nothing, and those of init containers that have ended, which the
 * socket leaves out.
 */
async function inPodOrder(
  entries: readonly CheckpointEntry[],
  pod: PodReference,
  claims: ClaimSource | undefined,
): Promise<readonly ContainerDevices[]> {
  const names = new Set(entries.map(({ container }) => container));
  if (names.size <= 1) return entries.map(containerDevices);
  const order = await containerOrder(pod, claims);
  return order.flatMap((name) => entries.filter(({ container }) => container === name).map(containerDevices));
}

async function containerOrder(
  pod: PodReference,
  claims: ClaimSource | undefined,
): Promise<readonly string[]> {
  const unknown = (why: string, options?: ErrorOptions) =>
    new DevicesUnknown(
      `several containers of pod ${podKey(pod)} have devices, and the kubelet's checkpoint does not say their order: ${why}`,
      options,
    );
  if (claims === undefined) throw unknown("there is no cluster to ask");
  let order: readonly string[] | undefined;
  try {
    order = await claims.containers(pod);
  } catch (error) {
    throw unknown(errorText(error), { cause: error });
  }
  if (order === undefined) throw unknown("the cluster has no such pod");
  return order;
}

/** The devices of an entry, whichever form it has. A device of several NUMA nodes comes once for each. */
export function containerDevices({ container, resourceName, devices }: CheckpointEntry): ContainerDevices {
  const ids =
    devices.form === "list"
      ? (devices.ids ?? [])
      : Array.from(devices.byNode?.values() ?? [], (ids) => ids ?? []).flat();
  return { container, resourceName, ids };
}
