/** A delegate: one network of a pod's plan, with what was asked for it. */

import type { NetworkConfigList } from "../../cni/types.ts";
import type { AttachmentRequest } from "../input/selection.ts";

export interface Delegate {
  /** As it stands in network-status and in events: `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly network: NetworkConfigList;
  readonly request: AttachmentRequest;
  /** Kubernetes resource that the device belongs to. */
  readonly resourceName?: string | undefined;
  /** Loaded as a .conflist file (or the auxiliary chain), which Go multus writes into its plan in a way of its own. */
  readonly isChainFile: boolean;
}

/** The interface of a cluster network: what kubelet's runtimes call it. For where no request says. */
export const usualClusterIfName = "eth0";

/** Is it the cluster network's place in a plan? Its result is the answer to the runtime. */
export function isClusterNetwork(place: number): boolean {
  return place === 0;
}

/**
 * A delegate's interface (docs/behaviour.md, "What a delegate is given"): the one asked for, else CNI_IFNAME for the cluster network, else `net<i>`.
 * @param place in the whole plan
 */
export function interfaceName({ ifName }: AttachmentRequest, place: number, cniIfName: string): string {
  return ifName ?? (isClusterNetwork(place) ? cniIfName : `net${place}`);
}
