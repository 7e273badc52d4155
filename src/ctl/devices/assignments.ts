/** Joins what the kubelet has given to pods with what attachments have: which devices are used, unused, shared or stale. */

import { entryOf } from "../../base/map-entry.ts";
import { byteOrder } from "../../devices/byte-order.ts";
import type { NodeInventory, PodDevices } from "../../devices/node-inventory.ts";
import type { ClaimedDevice } from "../../devices/pod-resources-messages.ts";
import { podKey } from "../../multus/input/pod.ts";
import type { Attachment } from "../node/attachments.ts";

/**
 * `used`: one attachment has it; `unused`: none; `shared`: several have it. `stale`: an attachment has it, and the kubelet has not given it to that pod, or does not run the pod any more.
 * `unknown`: it cannot be told from here. `other`: of a claim (DRA), and its driver publishes no id of it for CNI.
 */
export type DeviceState = "used" | "unused" | "shared" | "stale" | "unknown" | "other";

/** A device of a pod, or one that an attachment has although the kubelet has not given it to its pod. */
export interface DeviceRow {
  /** "" where it is not known, as of a claim whose ResourceSlices were not read. */
  readonly resource: string;
  /** As the kubelet names it; of a claim its `k8s.cni.cncf.io/deviceID`, "" where that is not known. */
  readonly device: string;
  /** `namespace/name`; "" where only the UID is known, or nothing. */
  readonly pod: string;
  /** "" where it is not known. */
  readonly podUid: string;
  /** Those that the kubelet has given it to; [] of a stale one. */
  readonly containers: readonly string[];
  /** Of a claim (DRA); null: a device plugin's. */
  readonly claim: Omit<ClaimedDevice, "container"> | null;
  readonly attachments: readonly Attachment[];
  readonly state: DeviceState;
  /** Of a stale one, for a sentence about the device; "" of others. */
  readonly why: string;
}

/** A driver's attributes of a device of a claim: its names for CNI, that it has none, or undefined where that is not known. */
export type ClaimNames = (
  device: ClaimedDevice,
) => { readonly resource: string; readonly device: string } | "none" | undefined;

/** Devices that several attachments have; in each the uses, at least two. */
export type SharedDevices = readonly (readonly DeviceRow[])[];

export interface Assignments {
  /** By resource, device and pod. */
  readonly rows: readonly DeviceRow[];
  readonly shared: SharedDevices;
}

type OpenRow = { -readonly [Key in keyof DeviceRow]: DeviceRow[Key] } & {
  containers: string[];
  attachments: Attachment[];
};

/** @param attachments those with a device, of all pods */
export function assignmentsOf(
  inventory: NodeInventory,
  attachments: readonly Attachment[],
  namesOf: ClaimNames,
): Assignments {
  const join = new Join(inventory, attachments, namesOf);
  for (const attachment of attachments) join.add(attachment);
  return join.finished();
}

class Join {
  readonly #inventory: NodeInventory;
  readonly #given: GivenDevices;
  /** Devices of attachments that the kubelet has not given to the pod. */
  readonly #notGiven: OpenRow[] = [];

  constructor(inventory: NodeInventory, attachments: readonly Attachment[], namesOf: ClaimNames) {
    this.#inventory = inventory;
    this.#given = new GivenDevices(inventory, podNames(attachments), namesOf);
  }

  add(attachment: Attachment): void {
    const { device, pod, podUid } = attachment;
    const owner = this.#inventory.source === "checkpoint" ? podUid : pod;
    const holders = this.#given
      .holders(device)
      .filter(({ resource }) => attachment.resource === "" || resource === attachment.resource);
    // Of an attachment without a result yet, the plan alone does not tell the pod.
    const row = holders.find((holder) => owner === "" || ownerOf(this.#inventory, holder) === owner);
    if (row !== undefined) {
      row.attachments.push(attachment);
      return;
    }
    const resource = attachment.resource || (holders[0]?.resource ?? "");
    // The author of the network has written a device into it, which is not the kubelet's.
    if (resource === "") return;
    const why = this.#staleness(owner, resource, holders[0]);
    this.#notGiven.push({
      resource,
      device,
      pod,
      podUid,
      containers: [],
      claim: null,
      attachments: [attachment],
      state: why === "" ? "unknown" : "stale",
      why,
    });
  }

  /** Why a device that its pod does not have is stale; "" where that cannot be told. @param holder a pod that has it */
  #staleness(owner: string, resource: string, holder: DeviceRow | undefined): string {
    const { source, allocatable } = this.#inventory;
    if (holder !== undefined) return `the kubelet has given it to pod ${holder.pod || holder.podUid}`;
    if (owner === "") return "";
    const own = this.#given.pods.get(owner);
    if (own === undefined && source === "pod-resources") return "the kubelet does not run this pod any more";
    // Not every kubelet tells what claims have given, and no checkpoint does.
    const isOfPlugins = allocatable?.has(resource) === true || this.#given.pluginResources.has(resource);
    const isReadable = own === undefined || own.devices !== undefined;
    return isOfPlugins && isReadable ? "the kubelet has not given it to this pod" : "";
  }

  finished(): Assignments {
    const rows = [...this.#given.rows, ...this.#notGiven];
    const byDevice = new Map<string, OpenRow[]>();
    for (const row of rows) {
      if (row.attachments.length === 0) continue;
      entryOf(byDevice, physicalDevice(row), (): OpenRow[] => []).push(row);
      if (row.state === "unused") row.state = "used";
    }
    const shared = Array.from(byDevice.values()).filter(
      (uses) => uses.reduce((count, { attachments }) => count + attachments.length, 0) > 1,
    );
    for (const row of shared.flat()) if (row.state === "used") row.state = "shared";
    return { rows: rows.sort(byNames), shared };
  }
}

/** The devices that the kubelet has given. */
class GivenDevices {
  readonly rows: OpenRow[] = [];
  /** By what identifies them in the source. */
  readonly pods = new Map<string, PodDevices>();
  /** Resources of device plugins of which some pod has a device. */
  readonly pluginResources = new Set<string>();
  readonly #byDevice = new Map<string, OpenRow[]>();

  constructor(inventory: NodeInventory, names: ReadonlyMap<string, string>, namesOf: ClaimNames) {
    for (const pod of inventory.pods) {
      const name = pod.name === "" ? (names.get(pod.uid) ?? "") : podKey(pod);
      this.pods.set(inventory.source === "checkpoint" ? pod.uid : name, pod);
      const own = new Map<string, OpenRow>();
      for (const { resourceName, ids, container } of pod.devices ?? []) {
        this.pluginResources.add(resourceName);
        for (const id of ids) {
          const names = { resource: resourceName, device: id };
          this.#add(own, JSON.stringify(names), container, { ...names, pod: name, podUid: pod.uid });
        }
      }
      for (const claimed of pod.claimed) {
        const { container, ...claim } = claimed;
        const published = namesOf(claimed);
        this.#add(own, JSON.stringify(claim), container, {
          ...(typeof published === "object" ? published : { resource: "", device: "" }),
          pod: name,
          podUid: pod.uid,
          claim,
          state: published === undefined ? "unknown" : published === "none" ? "other" : "unused",
        });
      }
    }
  }

  /** The rows of those that have a device of this id, of whichever resource. */
  holders(device: string): readonly OpenRow[] {
    return this.#byDevice.get(device) ?? [];
  }

  /** Adds a device to a pod, or another container to a device that the pod has: it comes once for each NUMA node, and an init container's goes to a later one. */
  #add(
    own: Map<string, OpenRow>,
    key: string,
    container: string,
    facts: Pick<DeviceRow, "resource" | "device" | "pod" | "podUid"> & Partial<DeviceRow>,
  ): void {
    const row = entryOf(own, key, () => {
      const made = {
        claim: null,
        state: "unused" as const,
        why: "",
        ...facts,
        containers: [],
        attachments: [],
      };
      this.rows.push(made);
      if (made.device !== "") entryOf(this.#byDevice, made.device, (): OpenRow[] => []).push(made);
      return made;
    });
    if (!row.containers.includes(container)) row.containers.push(container);
  }
}

function ownerOf({ source }: NodeInventory, { pod, podUid }: DeviceRow): string {
  return source === "checkpoint" ? podUid : pod;
}

/** Names of pods by UID, as far as attachments know them. */
function podNames(attachments: readonly Attachment[]): ReadonlyMap<string, string> {
  return new Map(attachments.flatMap(({ podUid, pod }) => (podUid === "" ? [] : [[podUid, pod] as const])));
}

const pciAddress = /^[\da-f]{4,8}:[\da-f]{2}:[\da-f]{2}\.[0-7]$/i;

/** The same for all names of one device: two resources may have one PCI function, while ids of another kind are a resource's own. */
function physicalDevice({ resource, device }: DeviceRow): string {
  return pciAddress.test(device) ? device.toLowerCase() : JSON.stringify([resource, device]);
}

function byNames(left: DeviceRow, right: DeviceRow): number {
  return (
    byteOrder(left.resource, right.resource) ||
    byteOrder(nameOf(left), nameOf(right)) ||
    byteOrder(left.pod || left.podUid, right.pod || right.podUid)
  );
}

/** The device's name; of a claim whose id is not known `driver/pool/device`. */
export function nameOf({ device, claim }: Pick<DeviceRow, "device" | "claim">): string {
  if (device !== "" || claim === null) return device;
  return `${claim.driver}/${claim.pool}/${claim.device}`;
}
