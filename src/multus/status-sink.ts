/** Where a pod's network-status and events go. Narrow on purpose: this room knows the texts, not Kubernetes. */

import type { PodReference } from "./pod.ts";

export interface PodEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: "AddedInterface" | "NoNetworkFound";
  readonly message: string;
}

export interface StatusSink {
  /** Never throws and is not waited for: an event is no part of the attachment. */
  event(pod: PodReference, event: PodEvent): void;
  /** @param status the list of annotation `k8s.v1.cni.cncf.io/network-status`, JSON text */
  networkStatus(pod: PodReference, status: Uint8Array): Promise<void>;
}

/** The event for an attachment that is there (behaviour page, section 6). @param addresses CIDRs of its result */
export function addedInterface(ifName: string, addresses: readonly string[], network: string): PodEvent {
  const from = network === "" ? "" : ` from ${network}`;
  return {
    type: "Normal",
    reason: "AddedInterface",
    message: `Add ${ifName} [${addresses.join(" ")}]${from}`,
  };
}

/** The event for a NetworkAttachmentDefinition that does not exist (behaviour page, section 4). */
export function noNetworkFound(namespace: string, name: string): PodEvent {
  return {
    type: "Warning",
    reason: "NoNetworkFound",
    message: `cannot find a network-attachment-definition (${name}) in namespace (${namespace})`,
  };
}
