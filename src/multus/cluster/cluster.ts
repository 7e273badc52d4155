/** The interface of src/multus to a Kubernetes cluster: pods, NetworkAttachmentDefinitions, and a sink for reports. Narrow on purpose: src/kube has the rest. */

import type { PodReference } from "../input/pod.ts";
import type { ClaimSource } from "../plan/devices.ts";
import type { NadSource } from "../plan/nads.ts";
import type { PodEvent } from "./pod-events.ts";

export interface PodDetails {
  /** Those that this room reads. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly uid: string;
  /** A mirror of a pod that the kubelet has from a file: its uid is another than the runtime's (annotation `kubernetes.io/config.source` is not `api`). */
  readonly isStatic: boolean;
}

/** A pod that runs, selects networks, has no network-status and is not being deleted, as the API has it. */
export interface RunningPod {
  /** With the object's UID; the sandbox is not known. */
  readonly pod: PodReference;
  /** The UID that the runtime and `kubectl describe` have it by: of a static pod another than the object's. */
  readonly runtimeUid: string;
  /** The kubelet has it from a file, and the object is only its mirror. */
  readonly isStatic: boolean;
  /** Kind of the object that makes the pod again when it is gone (`ReplicaSet`, `DaemonSet` …); "" if there is none. */
  readonly controller: string;
}

/** The node's pods that lack a network-status, while they are followed. */
export interface FollowedPods {
  /** Those of them that run and have a network namespace of their own. A pod that has just become so is among them a moment later. */
  running(): Iterable<RunningPod>;
  close(): void;
}

/** The answer to an eviction. `gone`: there is no such pod any more; `later`: a PodDisruptionBudget or the server's load is against it now; `refused`: it cannot be done. */
export interface EvictionAnswer {
  readonly outcome: "evicted" | "gone" | "later" | "refused";
  /** The API's words; "" where it was done. */
  readonly reason: string;
  /** Milliseconds that it asks to wait; 0 where it does not. */
  readonly retryAfterMs: number;
}

export interface PodSource {
  /**
   * The pod as the watch has it. Where the watch has none of that name, or one of another uid, it gets some time to catch up (2.5 s,
   * docs/behaviour.md, "Pod lookup"), then the API is asked once. A watch that is not connected gets no time.
   * @param options.retry ask again for 2.5 s while the API cannot answer (500, 503, refused, reset); otherwise one failure is final
   * @returns undefined: there is no such pod. One of another uid is returned as it is
   * @throws {CniError} 11 if the API does not answer, or refuses
   */
  find(pod: PodReference, options: { readonly retry: boolean }): Promise<PodDetails | undefined>;
  /** Asks the API, once, whatever the watch has. @returns undefined: there is no such pod @throws {CniError} 11 */
  ask(pod: PodReference): Promise<PodDetails | undefined>;
  /** Waits until the watch has all pods of this node. @returns false: it never will, as there is none, or it has ended */
  untilWatched(): Promise<boolean>;
  /**
   * The pod as the watch has it, if it has it without a network-status. Nothing is asked.
   * @param pod with the runtime's UID
   * @returns the pod as an object of the cluster, with its own UID
   */
  withoutStatus(pod: PodReference): PodReference | undefined;
}

/** The node's pods that may run without the networks that they select. */
export interface LackingPods {
  /** The pods of the watch that select networks, have no network-status and are not being deleted, in whatever phase; with the object's UID. Nothing is asked. */
  all(): Iterable<PodReference>;
  /**
   * Follows which of them run, by a second watch.
   * @param onChange called when any pod of the node has changed
   */
  follow(onChange: () => void): FollowedPods;
  /** Asks the API to evict a pod (Eviction API, policy/v1): PodDisruptionBudgets count. Never throws. @param pod with the object's UID: no other pod of its name is evicted */
  evict(pod: PodReference): Promise<EvictionAnswer>;
}

/** Where a pod's network-status and events go.
 *
 * Nothing here is waited for, and nothing throws: no container of a pod has started when its ADD answers, so a status that
 * follows some milliseconds later is early enough, and an API server that is slow or away holds no pod up. The sink
 * reports failed deliveries.
 *
 * A static pod has two UIDs: the runtime's, and that of its mirror, the object in the cluster.
 */
export interface StatusSink {
  /** Sends an event about the pod. @param pod with the runtime's UID: events of static pods are looked for by that */
  event(pod: PodReference, event: PodEvent): void;
  /** Writes the pod's network-status. @param pod with the object's UID, "" where that is not known @param status the list of annotation `k8s.v1.cni.cncf.io/network-status`, JSON text */
  networkStatus(pod: PodReference, status: Uint8Array): void;
  /**
   * The pod's sandbox is going: a status of it that is not delivered yet is not to be delivered any more.
   * @param pod as CNI_ARGS have it: namespace, name and sandbox say which, the UID may be another than the status came with
   */
  withdraw(pod: PodReference): void;
}

export interface Cluster {
  readonly pods: PodSource;
  readonly nads: NadSource;
  readonly sink: StatusSink;
  readonly lacking: LackingPods;
  /** Devices that pods have by ResourceClaims, and the order of their containers. */
  readonly claims: ClaimSource;
  /** Why an ADD could not be served now; undefined where it could. No request is made for it. */
  problem(): string | undefined;
  /** While a cluster that was just opened makes its first list of networks: waits for the end of that, a second at most. At once otherwise. */
  untilListed(): Promise<void>;
}

export interface Clusters {
  /**
   * The cluster that a request belongs to. A promise, because what speaks to a cluster is loaded when the first one is opened: a daemon without one does without.
   * @param kubeconfig path, of the netconf or the daemon's configuration; "" if there is none
   * @returns undefined where neither that nor the daemon's surroundings name a cluster
   * @throws {CniError} 7 where the kubeconfig cannot be used
   */
  of(kubeconfig: string): Promise<Cluster | undefined>;
}
