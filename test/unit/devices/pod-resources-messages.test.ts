/** Answers of the kubelet's pod-resources service that are torn. */

import { expect, it } from "vitest";
import {
  decodeAllocatable,
  decodeAllocatableDevices,
  decodePods,
  decodePodsWithClaims,
} from "../../../src/devices/pod-resources-messages.ts";

/** A field that holds bytes. @param length that it says it has */
const field = (number: number, content: Uint8Array | string, length = content.length) =>
  Buffer.concat([Buffer.from([(number << 3) | 2, length]), Buffer.from(content)]);

/** Its last text, a device id, says that it has more bytes than there are. */
const tornId = (length?: number) =>
  Buffer.concat([field(1, "intel.com/vf"), field(2, "0000:65:00.1", length)]);

const pod = (length?: number) =>
  Buffer.concat([
    field(1, "web"),
    field(2, "default"),
    field(3, Buffer.concat([field(1, "app"), field(2, tornId(length))])),
  ]);

it.each([
  ["decodePods", (bytes: Uint8Array) => decodePods(bytes, () => true, "the answer"), pod],
  ["decodePodsWithClaims", (bytes: Uint8Array) => decodePodsWithClaims(bytes, "the answer"), pod],
  ["decodeAllocatable", (bytes: Uint8Array) => decodeAllocatable(bytes, "the answer"), tornId],
  ["decodeAllocatableDevices", (bytes: Uint8Array) => decodeAllocatableDevices(bytes, "the answer"), tornId],
])("%s: a device id without its end is no shorter id", (_name, decode, message) => {
  expect(() => decode(field(1, message()))).not.toThrow();
  expect(() => decode(field(1, message(13)))).toThrow(
    /^the answer is not of its format: (a part of 13 bytes begins at offset \d+, and ends behind the message|index out of range)/,
  );
});
