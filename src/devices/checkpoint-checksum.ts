/** The checksum of the kubelet's device-manager checkpoint: 32-bit FNV-1a of a text that Go's package spew makes of the checkpoint's values and the names of their Go types. */

import { byteOrder } from "./byte-order.ts";
import type { CheckpointData, CheckpointEntry } from "./checkpoint-data.ts";

const fnvOffset = 0x811c9dc5;
const fnvPrime = 0x01000193;
const blank = 0x20;
const zero = 0x30;
/** The text that spew writes for a nil slice or map, which JSON has as null. */
const nil = "<nil>";

/**
 * The checksum that a kubelet computes, the same in all versions since Kubernetes 1.11 (pkg/kubelet/checkpointmanager/checksum; spew with `%#v`, keys sorted).
 * @returns an unsigned number of 32 bits
 */
export function checkpointChecksum({ entries, registered }: CheckpointData): number {
  const hash = new Fnv32a();
  hash.add("(checkpoint.checkpointData){PodDeviceEntries:([]checkpoint.PodDevicesEntry)");
  hash.add(entries === undefined ? nil : "[");
  for (const [index, entry] of (entries ?? []).entries()) {
    hash.add(`${index === 0 ? "" : " "}${entryText(entry)}`);
    if (entry.allocation === undefined) {
      hash.add(nil);
    } else {
      hash.add("[");
      hash.addNumbers(entry.allocation);
      hash.add("]");
    }
    hash.add("}");
  }
  hash.add(`${entries === undefined ? "" : "]"} RegisteredDevices:(map[string][]string)`);
  hash.add(
    registered === undefined
      ? nil
      : mapText([...registered].sort(([left], [right]) => byteOrder(left, right))),
  );
  hash.add("}");
  return hash.value;
}

/** An entry as far as the bytes of its AllocResp. */
function entryText({ podUid, container, resourceName, devices }: CheckpointEntry): string {
  return `{PodUID:(string)${podUid} ContainerName:(string)${container} ResourceName:(string)${resourceName} DeviceIDs:${devicesText(devices)} AllocResp:([]uint8)`;
}

function devicesText(devices: CheckpointEntry["devices"]): string {
  if (devices.form === "list") return `([]string)${listText(devices.ids)}`;
  const { byNode } = devices;
  if (byNode === undefined) return `(checkpoint.DevicesPerNUMA)${nil}`;
  const sorted = [...byNode].sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  return `(checkpoint.DevicesPerNUMA)${mapText(sorted)}`;
}

function mapText(entries: readonly (readonly [bigint | string, readonly string[] | undefined])[]): string {
  return `map[${entries.map(([key, texts]) => `${key}:${listText(texts)}`).join(" ")}]`;
}

function listText(texts: readonly string[] | undefined): string {
  return texts === undefined ? nil : `[${texts.join(" ")}]`;
}

class Fnv32a {
  #value = fnvOffset;

  get value(): number {
    return this.#value >>> 0;
  }

  add(text: string): void {
    let value = this.#value;
    for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, fnvPrime);
    this.#value = value;
  }

  /** Bytes as decimal numbers with blanks between them. No text is made of them: it would have up to four times as many. */
  addNumbers(bytes: Uint8Array): void {
    let value = this.#value;
    const digit = (number: number) => {
      value = Math.imul(value ^ (zero + number), fnvPrime);
    };
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index] ?? 0;
      if (index > 0) value = Math.imul(value ^ blank, fnvPrime);
      if (byte >= 100) digit(Math.trunc(byte / 100));
      if (byte >= 10) digit(Math.trunc(byte / 10) % 10);
      digit(byte % 10);
    }
    this.#value = value;
  }
}
