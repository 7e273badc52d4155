/** The kernel of network-status. */

import type { WasmContext } from "./context.ts";
import type { StatusInput } from "./index.ts";

/** 32-bit words of one input in memory, see Input in assembly/status/status.ts. */
const wordsPerInput = 9;

/** Aggregates the results of a pod's delegates; see Kernels.networkStatus. */
export function networkStatus(
  context: WasmContext,
  inputs: readonly StatusInput[],
  longest: number,
): Uint8Array {
  const tableLength = inputs.length * wordsPerInput * Uint32Array.BYTES_PER_ELEMENT;
  let room = tableLength;
  for (const { name, ifName, result, deviceInfo } of inputs) {
    room += context.roomFor("name", name);
    room += context.roomFor("ifName", ifName);
    room += context.roomFor("result", result);
    room += context.roomFor("deviceInfo", deviceInfo);
  }
  context.start(room);
  const table = context.leaveRoom(tableLength);
  const { words } = context;
  let word = table >>> 2;
  for (const { name, isDefault, ifName, result, deviceInfo } of inputs) {
    words[word++] = context.putText(name);
    words[word++] = context.textLength;
    words[word++] = context.putText(ifName);
    words[word++] = context.textLength;
    words[word++] = context.putBytes("result", result, name);
    words[word++] = result.length;
    words[word++] = context.putOptionalBytes("device info", deviceInfo, name);
    words[word++] = deviceInfo?.length ?? 0;
    words[word++] = isDefault ? 1 : 0;
  }
  context.check(context.exports.networkStatus(table, inputs.length, longest));
  return context.takeResult();
}
