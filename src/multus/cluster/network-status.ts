/** A pod's network-status and events from its results (docs/behaviour.md, "Network-status and events"). */

import { CniError, CniErrorCode } from "../../cni/errors.ts";
import { KernelError, type Kernels, type StatusInput } from "../../kernels/index.ts";
import { longestStatus } from "../input/bounds.ts";
import { passthruType } from "../plan/passthru.ts";
import { addedInterface } from "./pod-events.ts";
import { type PodInCluster, sendEvent } from "./pod-in-cluster.ts";

/** Sends the event for an attachment that was made, where there is somewhere to send it. */
export function sendAddedInterface(
  pod: PodInCluster,
  kernels: Kernels,
  name: string,
  ifName: string,
  result: Uint8Array,
): void {
  if (pod.podObject === undefined) return;
  const { isAttachment, addresses } = kernels.outlineResult(result);
  if (isAttachment) sendEvent(pod, addedInterface(ifName, addresses, name));
}

/** A delegate that ran, for network-status. */
export interface StatusPart extends StatusInput {
  readonly firstPlugin: string;
}

/**
 * Every attachment has an entry (multi-network specification, 5.1.1), also one whose result is empty. The auxiliary chain, which starts with passthru, is none unless its result lists
 * something.
 */
function hasEntry(kernels: Kernels, { firstPlugin, result }: StatusPart): boolean {
  return firstPlugin !== passthruType || kernels.outlineResult(result).isAttachment;
}

/**
 * Hands the pod's network-status over, where there is somewhere to write it. Pods of systemNamespaces have one too, as with Go multus in effect; a list of nothing is not written.
 * @throws {CniError} 6 one that no pod can have: Go multus fails the ADD as well, with what the API says to it
 */
export function sendNetworkStatus(
  { cluster, podObject }: Pick<PodInCluster, "cluster" | "podObject">,
  kernels: Kernels,
  parts: readonly StatusPart[],
): void {
  if (cluster === undefined || podObject === undefined) return;
  const inputs = parts.filter((part) => hasEntry(kernels, part));
  if (inputs.length > 0) cluster.sink.networkStatus(podObject, statusOf(kernels, inputs));
}

function statusOf(kernels: Kernels, inputs: readonly StatusInput[]): Uint8Array {
  const refuse = (has: string, options?: ErrorOptions) =>
    new CniError(
      CniErrorCode.decodingFailure,
      `the pod's network-status has ${has}, and an annotation can have at most ${longestStatus}: the plugins' results list too many interfaces or addresses`,
      "",
      options,
    );
  let status: Uint8Array;
  try {
    status = kernels.networkStatus(inputs, longestStatus);
  } catch (error) {
    // Several interfaces repeat what their result says of all: the text may be much longer than the results.
    if (error instanceof KernelError && error.code === "output-too-large") {
      throw refuse("more than 16 MiB", { cause: error });
    }
    throw error;
  }
  if (status.length > longestStatus) throw refuse(`${status.length} bytes`);
  return status;
}
