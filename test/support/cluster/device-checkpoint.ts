/** The file in which a kubelet keeps the devices of its pods, and its checksum: a second reader beside the product's. */

import { readFileSync } from "node:fs";

/** Devices of one resource that a container has. */
export interface CheckpointEntry {
  readonly PodUID: string;
  readonly ContainerName: string;
  readonly ResourceName: string;
  /** Ids by NUMA node; -1: the plugin tells of none. A device of several nodes is there once for each. */
  readonly DeviceIDs: Readonly<Record<string, readonly string[]>>;
  /** base64 of what the plugin answered. */
  readonly AllocResp: string;
}

interface CheckpointData {
  /** In no promised order. Plain init containers are among them, and pods that are gone until the next allocation. */
  readonly PodDeviceEntries: readonly CheckpointEntry[] | null;
  readonly RegisteredDevices: Readonly<Record<string, readonly string[]>>;
}

/** As kubelets write it since 1.20. */
export interface Checkpoint {
  readonly Data: CheckpointData;
  readonly Checksum: number;
}

/** Go's print of a slice of strings. */
function list(items: readonly (string | number)[] | null): string {
  return items === null ? "<nil>" : `[${items.join(" ")}]`;
}

/** Go's print of a map, by its keys in order. */
function map(entries: readonly (readonly [string, string])[]): string {
  return `map[${entries.map(([key, value]) => `${key}:${value}`).join(" ")}]`;
}

function printed({ PodUID, ContainerName, ResourceName, DeviceIDs, AllocResp }: CheckpointEntry): string {
  const ids = Object.entries(DeviceIDs)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([node, devices]) => [node, list(devices)] as const);
  const answer = list([...Buffer.from(AllocResp, "base64")]);
  return (
    `{PodUID:(string)${PodUID} ContainerName:(string)${ContainerName} ResourceName:(string)${ResourceName} ` +
    `DeviceIDs:(checkpoint.DevicesPerNUMA)${map(ids)} AllocResp:([]uint8)${answer}}`
  );
}

/** FNV-1a of 32 bits over the data as go-spew prints it, which is what kubelet compares when it starts. */
export function checksumOf({ PodDeviceEntries, RegisteredDevices }: CheckpointData): number {
  const entries = PodDeviceEntries === null ? "<nil>" : list(PodDeviceEntries.map(printed));
  const registered = Object.entries(RegisteredDevices)
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([resource, devices]) => [resource, list(devices)] as const);
  const text =
    `(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)${entries} ` +
    `RegisteredDevices:(map[string][]string)${map(registered)}}`;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** @param file path */
export function readCheckpoint(file: string): Checkpoint {
  return JSON.parse(readFileSync(file, "utf8"));
}
