/** The events about a pod, and their texts. */

import { bounded } from "../../log/quoted.ts";
import { mostAddressesNamed } from "../input/bounds.ts";
import { longestNetwork } from "../input/pod-error.ts";

export interface PodEvent {
  readonly type: "Normal" | "Warning";
  readonly reason:
    | "AddedInterface"
    | "NetworkNotAttached"
    | "NoNetworkFound"
    | "InvalidNetwork"
    | "DeviceNotAssigned"
    | "NetworkDeleteRecorded"
    | "NetworkDeleteGivenUp"
    | "NetworksMissing";
  readonly message: string;
}

/** The event for an attachment that is there (docs/behaviour.md, "Network-status and events"). @param addresses CIDRs of its result */
export function addedInterface(ifName: string, addresses: readonly string[], network: string): PodEvent {
  const from = network === "" ? "" : ` from ${network}`;
  const others = addresses.length - mostAddressesNamed;
  const named = addresses.slice(0, mostAddressesNamed).join(" ");
  return {
    type: "Normal",
    reason: "AddedInterface",
    message: `Add ${ifName} [${named}${others > 0 ? ` and ${others} more` : ""}]${from}`,
  };
}

/**
 * The event for a network whose ADD has failed, and with it the pod's.
 * @param network its name, as in the pod's network-status @param problem the error's text, which names the plugin
 */
export function networkNotAttached(ifName: string, network: string, problem: string): PodEvent {
  return {
    type: "Warning",
    reason: "NetworkNotAttached",
    message: `network ${bounded(network, longestNetwork)} is not attached as ${ifName}: ${problem}`,
  };
}

/** The event for a NetworkAttachmentDefinition that does not exist (docs/behaviour.md, "Network selection"). @param advice which one may be meant, "" where none is near */
export function noNetworkFound(namespace: string, name: string, advice = ""): PodEvent {
  const problem = `cannot find a network-attachment-definition (${name}) in namespace (${namespace})`;
  return {
    type: "Warning",
    reason: "NoNetworkFound",
    message: advice === "" ? problem : `${problem}: ${advice}`,
  };
}

/** The event for a NetworkAttachmentDefinition that is there and cannot be used. @param problem the error's text, which names the object and the place */
export function invalidNetwork(problem: string): PodEvent {
  return { type: "Warning", reason: "InvalidNetwork", message: problem };
}

/** The event for a network that wants a device, where the pod has too few, or which it has is not known. @param problem the error's text, which names resource, networks and what the pod has */
export function deviceNotAssigned(problem: string): PodEvent {
  return { type: "Warning", reason: "DeviceNotAssigned", message: problem };
}

/** The event for a DEL that is done in the background from now on. @param problem of the last try @param tries that failed */
export function deleteRecorded(tries: number, problem: string): PodEvent {
  return {
    type: "Warning",
    reason: "NetworkDeleteRecorded",
    message: `the pod's networks cannot be deleted (${tries} tries); the runtime is told success, and the DEL is retried in the background for a day: ${problem}`,
  };
}

/** The event for a DEL that was tried in the background for a day. @param problem of the last try */
export function deleteGivenUp(problem: string): PodEvent {
  return {
    type: "Warning",
    reason: "NetworkDeleteGivenUp",
    message: `the pod's networks could not be deleted for a day, and the DEL is not retried any more; addresses may stay reserved: ${problem}`,
  };
}

/** The event for a pod that runs without the networks that it selects. The text is the same each time: the event is found again by it. */
export function networksMissing(): PodEvent {
  return {
    type: "Warning",
    reason: "NetworksMissing",
    message:
      "the pod runs without the networks that it selects: it was started while the runtime did not call Multus. Delete the pod; the one that takes its place gets them",
  };
}
