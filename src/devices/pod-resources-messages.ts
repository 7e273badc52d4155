/**
 * Messages of the kubelet's pod-resources service (k8s.io/kubelet/pkg/apis/podresources/v1/api.proto), as far as they are used. They are read field by field rather than by a general decoder:
 * a decoder that makes objects of all fields needs some fifty times the bytes of a hostile answer, and a list has every pod of the node.
 */

import protobuf from "protobufjs/minimal.js";
import { InputError } from "../base/input-error.ts";
import { entryOf } from "../base/map-entry.ts";
import { errorText } from "../log/error-text.ts";
import { quoted } from "../log/quoted.ts";
import { podKey } from "../multus/input/pod.ts";
import type { ContainerDevices } from "../multus/plan/devices.ts";
import {
  longestDeviceId,
  mostContainers,
  mostDevices,
  mostEntries,
  mostPods,
  mostResources,
} from "./bounds.ts";

const { Reader, Writer } = protobuf;

type WireReader = protobuf.Reader;

/** A field that holds bytes: a text or a message (wire type 2). */
const field = (number: number) => (number << 3) | 2;

/** Path of the service in gRPC. */
export const podResourcesService = "/v1.PodResourcesLister";

/** A pod of an answer. */
export interface ListedPod {
  readonly namespace: string;
  readonly name: string;
  /** In the pod's order; a container comes with one entry for each device and NUMA node. An error where the pod has more than is allowed: it is no other pod's. */
  readonly devices: readonly ContainerDevices[] | InputError;
}

/** A device that a claim (DRA) has given to a container. The kubelet says nothing of its attributes. */
export interface ClaimedDevice {
  readonly container: string;
  /** Of the ResourceClaim object. */
  readonly claimNamespace: string;
  readonly claimName: string;
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
}

/** A pod of an answer, with the devices of its claims. */
export interface ListedPodWithClaims extends ListedPod {
  /** [] where `devices` is an error. */
  readonly claimed: readonly ClaimedDevice[];
}

/** GetPodResourcesRequest. */
export function encodeGetRequest(namespace: string, name: string): Uint8Array {
  return Writer.create().uint32(field(1)).string(name).uint32(field(2)).string(namespace).finish();
}

/**
 * The pods of a ListPodResourcesResponse or a GetPodResourcesResponse, which have the same form.
 * @param isWanted tells the pods whose devices are read; of the others only the names are
 * @param where names the source in errors
 * @throws {InputError} of kind "syntax" where it is no such message; "content" where it has more pods than are allowed
 */
export function decodePods(
  bytes: Uint8Array,
  isWanted: (namespace: string, name: string) => boolean,
  where: string,
): ListedPod[] {
  const pods: ListedPod[] = [];
  eachPod(bytes, where, (reader, end, { namespace, name }, ofPod) => {
    if (!isWanted(namespace, name)) return;
    const devices = podDevicesOrError(reader, end, ofPod, undefined);
    pods.push({ namespace, name, devices });
  });
  return pods;
}

/**
 * All pods of a ListPodResourcesResponse, with their claims' devices.
 * @param where names the source in errors
 * @throws {InputError} as decodePods; "content" too where all pods together have more devices than are allowed
 */
export function decodePodsWithClaims(bytes: Uint8Array, where: string): ListedPodWithClaims[] {
  const pods: ListedPodWithClaims[] = [];
  let count = 0;
  eachPod(bytes, where, (reader, end, { namespace, name }, ofPod) => {
    const claimed: ClaimedDevice[] = [];
    const devices = podDevicesOrError(reader, end, ofPod, claimed);
    if (!(devices instanceof InputError)) count += devices.length + claimed.length;
    if (count > mostEntries) throw tooMany(where, "devices", mostEntries);
    pods.push({ namespace, name, devices, claimed: devices instanceof InputError ? [] : claimed });
  });
  return pods;
}

/** Goes through the pods of an answer. @param use reads what it wants of one; where the reader is then does not matter @throws as decodePods */
function eachPod(
  bytes: Uint8Array,
  where: string,
  use: (
    reader: WireReader,
    end: number,
    pod: Pick<ListedPod, "namespace" | "name">,
    /** Names the pod in errors. */
    ofPod: string,
  ) => void,
): void {
  decoded(where, () => {
    let count = 0;
    eachField(Reader.create(bytes), bytes.length, (tag, reader) => {
      if (tag !== field(1)) return false;
      const end = partEnd(reader);
      const start = reader.pos;
      if (++count > mostPods) throw tooMany(where, "pods", mostPods);
      const pod = podName(reader, end);
      reader.pos = start;
      use(reader, end, pod, `${where}: pod ${quoted(podKey(pod))}`);
      reader.pos = end;
      return true;
    });
  });
}

/**
 * The names of the resources in an AllocatableResourcesResponse: those of which a device plugin of the node has devices.
 * @param where names the source in errors
 * @throws {InputError} as decodePods
 */
export function decodeAllocatable(bytes: Uint8Array, where: string): ReadonlySet<string> {
  const names = new Set<string>();
  eachAllocatable(bytes, where, (reader, end) => {
    eachField(reader, end, (inner) => {
      if (inner !== field(1)) return false;
      names.add(text(reader));
      return true;
    });
    if (names.size > mostResources) throw tooMany(where, "resources", mostResources);
  });
  return names;
}

/**
 * The healthy devices of the node's device plugins in an AllocatableResourcesResponse, by resource.
 * @param where names the source in errors
 * @throws {InputError} as decodePods
 */
export function decodeAllocatableDevices(
  bytes: Uint8Array,
  where: string,
): ReadonlyMap<string, ReadonlySet<string>> {
  const resources = new Map<string, Set<string>>();
  let count = 0;
  eachAllocatable(bytes, where, (reader, end) => {
    const { resourceName, ids } = devicesOfResource(reader, end, where);
    const known = entryOf(resources, resourceName, () => new Set<string>());
    for (const id of ids) known.add(id);
    count += ids.length;
    if (count > mostEntries) throw tooMany(where, "devices", mostEntries);
    if (resources.size > mostResources) throw tooMany(where, "resources", mostResources);
  });
  return resources;
}

/** Goes through the entries of an AllocatableResourcesResponse: devices 1. @throws as decodePods */
function eachAllocatable(
  bytes: Uint8Array,
  where: string,
  use: (reader: WireReader, end: number) => void,
): void {
  decoded(where, () => {
    let entries = 0;
    eachField(Reader.create(bytes), bytes.length, (tag, reader) => {
      if (tag !== field(1)) return false;
      if (++entries > mostEntries) throw tooMany(where, "devices", mostEntries);
      use(reader, partEnd(reader));
      return true;
    });
  });
}

/** PodResources: name 1, namespace 2. */
function podName(reader: WireReader, end: number): { namespace: string; name: string } {
  let [namespace, name] = ["", ""];
  eachField(reader, end, (tag) => {
    if (tag === field(1)) name = text(reader);
    else if (tag === field(2)) namespace = text(reader);
    else return false;
    return true;
  });
  return { namespace, name };
}

/** @param claimed gets the devices of claims; undefined: they are not read */
function podDevicesOrError(
  reader: WireReader,
  end: number,
  where: string,
  claimed: ClaimedDevice[] | undefined,
): ListedPod["devices"] {
  try {
    return podDevices(reader, end, where, claimed);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

/** PodResources: containers 3. */
function podDevices(
  reader: WireReader,
  end: number,
  where: string,
  claimed: ClaimedDevice[] | undefined,
): ContainerDevices[] {
  const devices: ContainerDevices[] = [];
  let containers = 0;
  eachField(reader, end, (tag) => {
    if (tag !== field(3)) return false;
    if (++containers > mostContainers) throw tooMany(where, "containers", mostContainers);
    containerDevices(reader, partEnd(reader), where, devices, claimed);
    return true;
  });
  return devices;
}

/** ContainerResources: name 1, devices 2, dynamic_resources 5. The order of the fields is not said: the name may come last. */
function containerDevices(
  reader: WireReader,
  end: number,
  where: string,
  devices: ContainerDevices[],
  claimed: ClaimedDevice[] | undefined,
): void {
  let container = "";
  const own: Pick<ContainerDevices, "resourceName" | "ids">[] = [];
  const ownClaimed: Omit<ClaimedDevice, "container">[] = [];
  eachField(reader, end, (tag) => {
    if (tag === field(1)) {
      container = text(reader);
      return true;
    }
    if (tag === field(5) && claimed !== undefined) {
      claimDevices(reader, partEnd(reader), where, ownClaimed, mostDevices - claimed.length);
      return true;
    }
    if (tag !== field(2)) return false;
    if (devices.length + own.length >= mostDevices) throw tooMany(where, "devices", mostDevices);
    own.push(devicesOfResource(reader, partEnd(reader), where));
    return true;
  });
  for (const { resourceName, ids } of own) devices.push({ container, resourceName, ids });
  for (const device of ownClaimed) claimed?.push({ container, ...device });
}

/** DynamicResource: claim_name 2, claim_namespace 3, claim_resources 4. @param most devices that `claimed` may have */
function claimDevices(
  reader: WireReader,
  end: number,
  where: string,
  claimed: Omit<ClaimedDevice, "container">[],
  most: number,
): void {
  let [claimName, claimNamespace] = ["", ""];
  const own: Pick<ClaimedDevice, "driver" | "pool" | "device">[] = [];
  eachField(reader, end, (tag) => {
    if (tag === field(2)) claimName = text(reader);
    else if (tag === field(3)) claimNamespace = text(reader);
    else if (tag === field(4)) {
      if (claimed.length + own.length >= most) throw tooMany(where, "devices of claims", mostDevices);
      own.push(claimResource(reader, partEnd(reader)));
    } else return false;
    return true;
  });
  for (const device of own) claimed.push({ claimName, claimNamespace, ...device });
}

/** ClaimResource: driver_name 2, pool_name 3, device_name 4. */
function claimResource(reader: WireReader, end: number): Pick<ClaimedDevice, "driver" | "pool" | "device"> {
  let [driver, pool, device] = ["", "", ""];
  eachField(reader, end, (tag) => {
    if (tag === field(2)) driver = text(reader);
    else if (tag === field(3)) pool = text(reader);
    else if (tag === field(4)) device = text(reader);
    else return false;
    return true;
  });
  return { driver, pool, device };
}

/** ContainerDevices: resource_name 1, device_ids 2. */
function devicesOfResource(
  reader: WireReader,
  end: number,
  where: string,
): Pick<ContainerDevices, "resourceName" | "ids"> {
  let resourceName = "";
  const ids: string[] = [];
  eachField(reader, end, (tag) => {
    if (tag === field(1)) resourceName = text(reader);
    else if (tag === field(2)) ids.push(checkedId(text(reader), where));
    else return false;
    if (ids.length > mostDevices) throw tooMany(where, "devices", mostDevices);
    return true;
  });
  return { resourceName, ids };
}

function checkedId(id: string, where: string): string {
  if (id.length <= longestDeviceId) return id;
  throw new InputError(
    "content",
    `${where}: device id ${quoted(id)} is longer than the ${longestDeviceId} characters that are allowed`,
  );
}

/** The end of the message or text that begins at the reader. */
function partEnd(reader: WireReader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len)
    throw new RangeError(
      `a part of ${length} bytes begins at offset ${reader.pos}, and ends behind the message`,
    );
  return end;
}

/** A text, as a whole: the library's reader takes one whose end is missing. */
function text(reader: WireReader): string {
  const { pos } = reader;
  partEnd(reader);
  reader.pos = pos;
  return reader.string();
}

/** Goes through the fields of a message. @param use returns false for a field that it has not read */
function eachField(reader: WireReader, end: number, use: (tag: number, reader: WireReader) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!use(tag, reader)) reader.skipType(tag & 7);
  }
  if (reader.pos !== end)
    throw new RangeError(`a part that should end at offset ${end} ends at ${reader.pos}`);
}

/** @throws {InputError} for what the library's reader throws */
function decoded<Result>(where: string, decode: () => Result): Result {
  try {
    return decode();
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError("syntax", `${where} is not of its format: ${errorText(error)}`, { cause: error });
  }
}

function tooMany(where: string, what: string, most: number): InputError {
  return new InputError("content", `${where} has more than ${most} ${what}`);
}
