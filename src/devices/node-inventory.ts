/** All devices that the kubelet has given to the pods of this node, for those who look at a node: from its pod-resources socket, or from its checkpoint where that does not answer. */

import { ExpectedError, InputError } from "../base/input-error.ts";
import { entryOf } from "../base/map-entry.ts";
import { silentLogger } from "../log/logger.ts";
import { type ContainerDevices, DevicesUnknown } from "../multus/plan/devices.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { checkpointBytes, containerDevices, isSocketThere, type KubeletPaths } from "./kubelet-devices.ts";
import type { PodResourcesOptions } from "./pod-resources.ts";
import type { ClaimedDevice } from "./pod-resources-messages.ts";

/** A pod as the source names it: the socket has no UID, the checkpoint nothing else. */
export interface PodDevices {
  /** "" in a checkpoint. */
  readonly namespace: string;
  /** "" in a checkpoint. */
  readonly name: string;
  /** "" of the socket. */
  readonly uid: string;
  /** Of device plugins. A device may come several times: in each of its NUMA nodes and containers. undefined: they are not as they should be (`problems`). */
  readonly devices: readonly ContainerDevices[] | undefined;
  /** Of DRA drivers; a checkpoint has none of them. */
  readonly claimed: readonly ClaimedDevice[];
}

export interface NodeInventory {
  readonly source: "pod-resources" | "checkpoint";
  /** Path of the source. */
  readonly path: string;
  /** Why the checkpoint is the source; "" where it is not. */
  readonly socketProblem: string;
  /** Of the socket: every pod that the kubelet runs. Of a checkpoint: those with devices, among them pods that are gone, until the kubelet gives the next device out. */
  readonly pods: readonly PodDevices[];
  /** Healthy devices of device plugins by resource, given or not; undefined: the kubelet does not say it. */
  readonly allocatable: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  /** Errors of parts that are left out. */
  readonly problems: readonly string[];
}

/**
 * Asks the kubelet, at most for 10 s a question. The code of gRPC is loaded when the socket is there.
 * @param limits for tests
 * @throws {CniError} 11 where neither source answers; its text says why
 */
export async function takeInventory(
  paths: KubeletPaths,
  limits: Pick<PodResourcesOptions, "deadlineMs" | "patienceMs"> = {},
): Promise<NodeInventory> {
  const { socket, checkpoint } = paths;
  let socketProblem = `there is no socket ${socket}`;
  try {
    if (isSocketThere(socket)) return await ofSocket(socket, limits);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    socketProblem = error.message;
  }
  try {
    return ofCheckpoint(checkpoint, socketProblem);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    throw new DevicesUnknown(`${socketProblem}; ${error.message}`, { cause: error });
  }
}

/** @throws {InputError} it is not there, or not as it should be */
function ofCheckpoint(path: string, socketProblem: string): NodeInventory {
  const bytes = checkpointBytes(path);
  if (bytes === undefined) throw new InputError("file", `there is no checkpoint ${path}`);
  const { entries = [], registered } = parseCheckpoint(bytes, path);
  const byUid = new Map<string, ContainerDevices[]>();
  for (const entry of entries) {
    entryOf(byUid, entry.podUid, (): ContainerDevices[] => []).push(containerDevices(entry));
  }
  return {
    source: "checkpoint",
    path,
    socketProblem,
    pods: Array.from(byUid, ([uid, devices]) => ({ namespace: "", name: "", uid, devices, claimed: [] })),
    allocatable: new Map(Array.from(registered ?? [], ([name, ids]) => [name, new Set(ids)])),
    problems: [],
  };
}

async function ofSocket(
  socket: string,
  limits: Pick<PodResourcesOptions, "deadlineMs" | "patienceMs">,
): Promise<NodeInventory> {
  const { PodResources } = await import("./pod-resources.ts");
  const podResources = new PodResources({ socket, log: silentLogger, ...limits });
  const problems: string[] = [];
  try {
    const pods = (await podResources.nodePods()).map(({ devices, ...pod }) => {
      if (!(devices instanceof InputError)) return { ...pod, uid: "", devices };
      problems.push(devices.message);
      return { ...pod, uid: "", devices: undefined };
    });
    let allocatable: NodeInventory["allocatable"];
    try {
      allocatable = await podResources.allocatable();
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      problems.push(error.message);
    }
    return { source: "pod-resources", path: socket, socketProblem: "", pods, allocatable, problems };
  } finally {
    podResources.close();
  }
}
