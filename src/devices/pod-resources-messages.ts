/**
 * Messages of the kubelet's pod-resources service (k8s.io/kubelet/pkg/apis/podresources/v1/api.proto), as far as they are used. They are read field by field rather than by a general decoder:
 * a decoder that makes objects of all fields needs some fifty times the bytes of a hostile answer, and a list has every pod of the node.
 */

import protobuf from "protobufjs/minimal.js";
import { InputError } from "../base/input-error.ts";
import { errorText } from "../log/error-text.ts";
import { quoted } from "../log/quoted.ts";
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
  return decoded(where, () => {
    const pods: ListedPod[] = [];
    let count = 0;
    eachField(Reader.create(bytes), bytes.length, (tag, reader) => {
      if (tag !== field(1)) return false;
      const end = partEnd(reader);
      const start = reader.pos;
      if (++count > mostPods) throw tooMany(where, "pods", mostPods);
      const { namespace, name } = podName(reader, end);
      if (isWanted(namespace, name)) {
        reader.pos = start;
        const devices = podDevicesOrError(reader, end, `${where}: pod ${quoted(`${namespace}/${name}`)}`);
        reader.pos = end;
        pods.push({ namespace, name, devices });
      }
      return true;
    });
    return pods;
  });
}

/**
 * The names of the resources in an AllocatableResourcesResponse: those of which a device plugin of the node has devices.
 * @param where names the source in errors
 * @throws {InputError} as decodePods
 */
export function decodeAllocatable(bytes: Uint8Array, where: string): ReadonlySet<string> {
  return decoded(where, () => {
    const names = new Set<string>();
    let entries = 0;
    eachField(Reader.create(bytes), bytes.length, (tag, reader) => {
      if (tag !== field(1)) return false;
      if (++entries > mostEntries) throw tooMany(where, "devices", mostEntries);
      const end = partEnd(reader);
      eachField(reader, end, (inner) => {
        if (inner !== field(1)) return false;
        names.add(reader.string());
        return true;
      });
      if (names.size > mostResources) throw tooMany(where, "resources", mostResources);
      return true;
    });
    return names;
  });
}

/** PodResources: name 1, namespace 2. */
function podName(reader: WireReader, end: number): { namespace: string; name: string } {
  let [namespace, name] = ["", ""];
  eachField(reader, end, (tag) => {
    if (tag === field(1)) name = reader.string();
    else if (tag === field(2)) namespace = reader.string();
    else return false;
    return true;
  });
  return { namespace, name };
}

function podDevicesOrError(reader: WireReader, end: number, where: string): ListedPod["devices"] {
  try {
    return podDevices(reader, end, where);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

/** PodResources: containers 3. */
function podDevices(reader: WireReader, end: number, where: string): ContainerDevices[] {
  const devices: ContainerDevices[] = [];
  let containers = 0;
  eachField(reader, end, (tag) => {
    if (tag !== field(3)) return false;
    if (++containers > mostContainers) throw tooMany(where, "containers", mostContainers);
    containerDevices(reader, partEnd(reader), devices, where);
    return true;
  });
  return devices;
}

/** ContainerResources: name 1, devices 2. The order of the fields is not said: the name may come last. */
function containerDevices(reader: WireReader, end: number, devices: ContainerDevices[], where: string): void {
  let container = "";
  const own: Pick<ContainerDevices, "resourceName" | "ids">[] = [];
  eachField(reader, end, (tag) => {
    if (tag === field(1)) {
      container = reader.string();
      return true;
    }
    if (tag !== field(2)) return false;
    if (devices.length + own.length >= mostDevices) throw tooMany(where, "devices", mostDevices);
    own.push(devicesOfResource(reader, partEnd(reader), where));
    return true;
  });
  for (const { resourceName, ids } of own) devices.push({ container, resourceName, ids });
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
    if (tag === field(1)) resourceName = reader.string();
    else if (tag === field(2)) ids.push(checkedId(reader.string(), where));
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
