/** Gives each pod a device of its own: in its selection, or in copies of the networks' definitions. */

import {
  arrayElements,
  isJsonObject,
  joinElements,
  joinMembers,
  objectMembers,
  parseJson,
} from "../../base/json.ts";
import {
  type NetworkSelection,
  networksAnnotation,
  parseNetworkSelections,
} from "../../multus/input/selection.ts";
import { UserError } from "../command/user-error.ts";
import type { Definition } from "../scratch/networks.ts";
import { mostNetworks } from "./bounds.ts";
import type { Devices } from "./plan.ts";

/** A network that the pods select, with what is written of it in a pod's annotation. */
export interface SelectedNetwork extends NetworkSelection {
  /** Its item in the JSON form: each member as raw JSON, also those that this version does not use. */
  readonly item: ReadonlyMap<string, Uint8Array>;
}

/** The networks that the pods have besides the cluster network. @throws {CniError} naming the annotation, item and field */
export function selectedNetworks(selection: string, podNamespace: string): readonly SelectedNetwork[] {
  const selections = parseNetworkSelections(selection, podNamespace, mostNetworks);
  // No text in the comma form begins so.
  const items = selection.trimStart().startsWith("[") ? itemsOf(selection) : [];
  return selections.map((each, index) => ({ ...each, item: items[index] ?? commaItem(each) }));
}

/** The items of a selection in the JSON form. */
function itemsOf(selection: string): ReadonlyMap<string, Uint8Array>[] {
  const where = `annotation ${networksAnnotation}`;
  return arrayElements(Buffer.from(selection), where).map((item) => objectMembers(item, where));
}

/** An item of the comma form, which has nothing but name, namespace and interface. */
function commaItem({ request }: NetworkSelection): ReadonlyMap<string, Uint8Array> {
  return new Map(request.ifName === undefined ? [] : [["interface", jsonText(request.ifName)]]);
}

function jsonText(text: string): Uint8Array {
  return Buffer.from(JSON.stringify(text));
}

/** The devices of one network, or undefined. */
function devicesOf(
  { name, namespace }: Pick<NetworkSelection, "name" | "namespace">,
  devices: readonly Devices[],
): Devices | undefined {
  return devices.find(({ network }) => network === name || network === `${namespace}/${name}`);
}

/**
 * @param selected the pods' networks @param pods as many as are started at once
 * @throws {UserError} where devices are for a network that no pod selects, or are too few
 */
export function checkDevices(
  devices: readonly Devices[],
  selected: readonly SelectedNetwork[],
  pods: number,
): void {
  for (const { network, ids } of devices) {
    const times = selected.filter((each) => devicesOf(each, devices)?.network === network).length;
    if (times === 0) throw new UserError(`--devices ${network}: the pods do not select this network`);
    if (ids.length < times * pods) {
      throw new UserError(
        `--devices ${network}: ${pods} pods at once need ${times * pods} devices, and ${ids.length} are named`,
        "name more, or start fewer pods at once with --pods",
      );
    }
  }
}

/** A network of a pod, with its device. */
interface PodNetwork {
  readonly selection: SelectedNetwork;
  readonly device: string | undefined;
}

/** The pod's networks with their devices: no two pods, and no two networks of one, get the same. */
function networksOfPod(
  selected: readonly SelectedNetwork[],
  devices: readonly Devices[],
  pod: number,
): PodNetwork[] {
  const used = new Map<Devices, number>();
  return selected.map((selection) => {
    const own = devicesOf(selection, devices);
    if (own === undefined) return { selection, device: undefined };
    const times = selected.filter((each) => devicesOf(each, devices) === own).length;
    const index = used.get(own) ?? 0;
    used.set(own, index + 1);
    return { selection, device: own.ids[pod * times + index] };
  });
}

/** The pod's annotation, which names the device of each network itself. @param pod its index */
export function selectionWithDevices(
  selected: readonly SelectedNetwork[],
  devices: readonly Devices[],
  pod: number,
): string {
  return selectionText(
    networksOfPod(selected, devices, pod).map(({ selection, device }) =>
      device === undefined
        ? selection
        : { ...selection, item: new Map([...selection.item, ["deviceID", jsonText(device)]]) },
    ),
  );
}

/** A copy of a definition, for one pod. */
export interface DefinitionCopy extends Definition {
  /** `namespace/name` of the definition. */
  readonly original: string;
}

/**
 * The pod's annotation, and a copy of each network's definition that has the pod's device in it: what a pod gets to which the kubelet has assigned one. The copies ask for no
 * resource, as the kubelet does not know the pod.
 * @throws {UserError} where there is no such definition, or it is not JSON
 */
export function definitionsWithDevices(
  selected: readonly SelectedNetwork[],
  devices: readonly Devices[],
  definitions: readonly Definition[],
  pod: number,
): { readonly selection: string; readonly copies: readonly DefinitionCopy[] } {
  const copies: DefinitionCopy[] = [];
  const own = networksOfPod(selected, devices, pod).map(({ selection, device }, position) => {
    if (device === undefined) return selection;
    const { name, namespace } = selection;
    const definition = definitions.find((each) => each.name === name && each.namespace === namespace);
    if (definition === undefined) throw new UserError(`--devices ${name}: --nad has no definition of it`);
    const copy = `${name}.pod${pod}-${position}`;
    const original = `${namespace}/${name}`;
    copies.push({ namespace, name: copy, config: configWithDevice(definition, device), original });
    return { ...selection, name: copy };
  });
  return { selection: selectionText(own), copies };
}

/** A network configuration with the device in every plugin, as Multus puts that of a device plugin there. @throws {UserError} */
export function configWithDevice({ namespace, name, config }: Definition, device: string): string {
  const value = parseJson(Buffer.from(config), `spec.config of ${namespace}/${name}`);
  if (!isJsonObject(value)) throw new UserError(`spec.config of ${namespace}/${name} is no object`);
  const given = { deviceID: device, pciBusID: device };
  const { plugins } = value;
  return JSON.stringify(
    Array.isArray(plugins)
      ? {
          name,
          ...value,
          plugins: plugins.map((plugin) => (isJsonObject(plugin) ? { ...plugin, ...given } : plugin)),
        }
      : { name, ...value, ...given },
  );
}

/** Selections in the JSON form of annotation k8s.v1.cni.cncf.io/networks. Of members that mean the same, the one in the key's own case counts, which these are. */
export function selectionText(selections: readonly SelectedNetwork[]): string {
  const items = selections.map(({ name, namespace, item }) =>
    joinMembers(new Map([...item, ["name", jsonText(name)], ["namespace", jsonText(namespace)]])),
  );
  return Buffer.from(joinElements(items)).toString();
}
