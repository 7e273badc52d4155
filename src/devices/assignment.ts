/** Which network of a pod gets which of its devices: the order, and the handing out. */

import { InputError } from "../base/input-error.ts";
import { entryOf } from "../base/map-entry.ts";
import { bounded, quoted } from "../log/quoted.ts";
import { type PodReference, podKey } from "../multus/input/pod.ts";
import type { ContainerDevices, DeviceWish } from "../multus/plan/devices.ts";
import { byteOrder } from "./byte-order.ts";

/** Device ids that an error lists. */
const mostIdsNamed = 16;

/**
 * A pod's devices by resource, in the order in which they are handed out: containers as they are given, ids sorted within one container. The kubelet reports the devices of a container
 * in the order of a Go map, which is another each time; sorted over all containers, a container's network would get another container's device (multus-cni pull requests 1481, 1539 and 1540).
 * @param containers in the pod's order; a container may come in several parts, one for each NUMA node
 * @returns every id once in a resource, at its first container: a device with two NUMA nodes is reported twice, and a container may take over an init container's
 */
export function deviceOrder(containers: readonly ContainerDevices[]): Map<string, string[]> {
  const byContainer = new Map<string, Map<string, Set<string>>>();
  for (const { container, resourceName, ids } of containers) {
    const resources = entryOf(byContainer, container, () => new Map<string, Set<string>>());
    const known = entryOf(resources, resourceName, () => new Set<string>());
    for (const id of ids) known.add(id);
  }
  const ordered = new Map<string, Set<string>>();
  for (const resources of byContainer.values()) {
    for (const [resourceName, ids] of resources) {
      const all = entryOf(ordered, resourceName, () => new Set<string>());
      for (const id of [...ids].sort(byteOrder)) all.add(id);
    }
  }
  return new Map(Array.from(ordered, ([resourceName, ids]) => [resourceName, [...ids]]));
}

/** Could each wish have its device? False says that other sources are to be asked. */
export function isEnough(
  wishes: readonly DeviceWish[],
  devices: ReadonlyMap<string, readonly string[]>,
): boolean {
  const wanted = new Map<string, number>();
  for (const { resourceName, deviceId } of wishes) {
    const ids = devices.get(resourceName) ?? [];
    if (deviceId !== undefined && !ids.includes(deviceId)) return false;
    const count = (wanted.get(resourceName) ?? 0) + 1;
    if (count > ids.length) return false;
    wanted.set(resourceName, count);
  }
  return true;
}

/**
 * Hands devices out: those that selections name first, then for each other wish the next one of its resource that is left.
 * @param devices of the pod, as deviceOrder has them
 * @param isOfPlugins is it a resource of which something on the node has devices? Asked where the pod has none of it. Resources may be counters alone, as those of bridges are: such a network needs no
 *   device
 * @returns the device of each wish; undefined where it needs none
 * @throws {InputError} of kind "content"
 */
export function assignDevices(
  pod: PodReference,
  wishes: readonly DeviceWish[],
  devices: ReadonlyMap<string, readonly string[]>,
  isOfPlugins: (resourceName: string) => boolean,
): (string | undefined)[] {
  const assigned: (string | undefined)[] = wishes.map(({ deviceId }) => deviceId);
  for (const [resourceName, places] of placesByResource(wishes)) {
    const ids = devices.get(resourceName) ?? [];
    const named = namedDevices(pod, wishes, places, ids);
    const needsNone = ids.length === 0 && named.size === 0 && !isOfPlugins(resourceName);
    if (needsNone) continue;
    if (places.length > ids.length) throw shortage(pod, resourceName, wishes, places, ids);
    const left = ids.filter((id) => !named.has(id)).values();
    for (const place of places) assigned[place] ??= left.next().value;
  }
  return assigned;
}

/** The ids that selections name. @throws {InputError} one that the pod does not have, or that two selections name */
function namedDevices(
  pod: PodReference,
  wishes: readonly DeviceWish[],
  places: readonly number[],
  ids: readonly string[],
): ReadonlySet<string> {
  const named = new Set<string>();
  for (const place of places) {
    const wish = wishes[place];
    if (wish?.deviceId === undefined) continue;
    const { deviceId, network, resourceName } = wish;
    const refuse = (what: string) =>
      new InputError("content", `network ${bounded(network)}: deviceID ${quoted(deviceId)} ${what}`);
    if (!ids.includes(deviceId)) {
      throw refuse(
        `is no device of resource ${bounded(resourceName)} that pod ${podKey(pod)} has; it has ${listed(ids)}`,
      );
    }
    if (named.has(deviceId)) throw refuse("is named by another network selection of the pod too");
    named.add(deviceId);
  }
  return named;
}

function shortage(
  pod: PodReference,
  resourceName: string,
  wishes: readonly DeviceWish[],
  places: readonly number[],
  ids: readonly string[],
): InputError {
  const networks = places.map((place) => bounded(wishes[place]?.network ?? ""));
  const shown = networks.slice(0, mostIdsNamed).join(", ");
  return new InputError(
    "content",
    `resource ${bounded(resourceName)}: ${places.length} wanted by networks of pod ${podKey(pod)} (${shown}${networks.length > mostIdsNamed ? ", …" : ""}), and it has ${listed(ids)}`,
  );
}

/** `2 (a, b)` */
function listed(ids: readonly string[]): string {
  if (ids.length === 0) return "0";
  const shown = ids.slice(0, mostIdsNamed).map((id) => bounded(id));
  return `${ids.length} (${shown.join(", ")}${ids.length > mostIdsNamed ? ", …" : ""})`;
}

/** The places of the wishes for each resource. */
function placesByResource(wishes: readonly DeviceWish[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [place, { resourceName }] of wishes.entries()) {
    entryOf(places, resourceName, (): number[] => []).push(place);
  }
  return places;
}
