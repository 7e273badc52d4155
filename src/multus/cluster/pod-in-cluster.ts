/** A request's pod as an object of its cluster, and events about it. */

import type { PodReference } from "../input/pod.ts";
import type { Cluster } from "./cluster.ts";
import type { PodEvent } from "./pod-events.ts";

export interface PodInCluster {
  /** The cluster that the request belongs to; undefined: none. */
  readonly cluster: Cluster | undefined;
  readonly pod: PodReference;
  /** The pod as an object of the cluster, which events and status are about; undefined where it is not known to have one. */
  readonly podObject: PodReference | undefined;
}

/** Sends an event about the pod, where it is known in the cluster. */
export function sendEvent({ cluster, pod, podObject }: PodInCluster, event: PodEvent): void {
  if (podObject !== undefined) {
    // Kubernetes' own events about a static pod have the kubelet's UID, which is the runtime's too, and not its mirror's.
    cluster?.sink.event({ ...podObject, uid: pod.uid === "" ? podObject.uid : pod.uid }, event);
  }
}
