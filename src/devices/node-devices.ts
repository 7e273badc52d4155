/** The devices of the node's pods: those that the kubelet has given them, and those of their claims. */

import type { Logger } from "../log/logger.ts";
import { type PodReference, podKey } from "../multus/input/pod.ts";
import {
  type ClaimSource,
  type ContainerDevices,
  type DeviceSource,
  DevicesUnknown,
  type DeviceWish,
} from "../multus/plan/devices.ts";
import { assignDevices, deviceOrder, isEnough } from "./assignment.ts";
import { type KubeletAnswer, KubeletDevices, type KubeletPaths } from "./kubelet-devices.ts";

export class NodeDevices implements DeviceSource {
  readonly #kubelet: KubeletDevices;

  constructor(paths: KubeletPaths, log: Logger) {
    this.#kubelet = new KubeletDevices(paths, log);
  }

  async assign(
    pod: PodReference,
    wishes: readonly DeviceWish[],
    claims: ClaimSource | undefined,
  ): Promise<readonly (string | undefined)[]> {
    if (wishes.length === 0) return [];
    if (pod.namespace === "" || pod.name === "") {
      throw new DevicesUnknown(
        `network ${wishes[0]?.network ?? ""} wants a device of ${wishes[0]?.resourceName ?? ""}, and CNI_ARGS does not say which pod the request is for`,
      );
    }
    const kubelet = await this.#kubelet.of(pod, claims);
    const devices = await withClaimed(deviceOrder(kubelet?.devices ?? []), pod, wishes, claims);
    if (kubelet?.devices === undefined && !isEnough(wishes, devices)) {
      // It knows every pod that it starts, but for the moment after its own start.
      const why = kubelet === undefined ? this.#kubelet.absence : "the kubelet has no such pod yet";
      throw new DevicesUnknown(`the devices of pod ${podKey(pod)} are not known: ${why}`);
    }
    const known = await resourcesOf(kubelet, wishes, devices);
    // Where the kubelet does not say it, a resource without devices is a shortage.
    return assignDevices(pod, wishes, devices, (name) => known?.has(name) ?? true);
  }

  close(): void {
    this.#kubelet.close();
  }
}

/** The pod's claims are looked at only where the kubelet's devices are too few: that takes requests to the API, which most pods do without. */
async function withClaimed(
  devices: ReadonlyMap<string, readonly string[]>,
  pod: PodReference,
  wishes: readonly DeviceWish[],
  claims: ClaimSource | undefined,
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (claims === undefined || isEnough(wishes, devices)) return devices;
  const claimed: readonly ContainerDevices[] = await claims.devices(pod);
  const all = new Map(devices);
  for (const [resourceName, ids] of deviceOrder(claimed)) {
    all.set(resourceName, [...new Set([...(all.get(resourceName) ?? []), ...ids])]);
  }
  return all;
}

/** The resources of the node's device plugins. Asked only where a resource is wanted of which the pod has nothing. */
async function resourcesOf(
  kubelet: KubeletAnswer | undefined,
  wishes: readonly DeviceWish[],
  devices: ReadonlyMap<string, readonly string[]>,
): Promise<ReadonlySet<string> | undefined> {
  const isNeeded = wishes.some(({ resourceName }) => (devices.get(resourceName)?.length ?? 0) === 0);
  return isNeeded && kubelet !== undefined ? await kubelet.resources() : new Set();
}
