/** The recorded checkpoint of a kubelet, and the tests' own reader of its checksum. */

import { join } from "node:path";
import { expect, test } from "vitest";
import { checksumOf, readCheckpoint } from "../../support/cluster/device-checkpoint.ts";

const recorded = join(
  import.meta.dirname,
  ...["..", "..", "fixtures", "devices", "kubelet_internal_checkpoint"],
);

test("the checksum is the kubelet's own", () => {
  const { Data, Checksum } = readCheckpoint(recorded);
  expect(Data.PodDeviceEntries?.length).toBeGreaterThan(0);
  expect(checksumOf(Data)).toBe(Checksum);
});

test("an empty checkpoint, and one with odd ids, give what Go gives", () => {
  expect(checksumOf({ PodDeviceEntries: null, RegisteredDevices: {} })).toBe(3_467_439_661);
  const entry = { PodUID: "u", ContainerName: "c", ResourceName: "r/x" };
  const entries = [
    { ...entry, DeviceIDs: { 0: ['c "q" é'], "-1": ["b", "a"] }, AllocResp: "CgEB" },
    { ...entry, DeviceIDs: { 10: ["x"], 9: ["y"] }, AllocResp: "" },
  ];
  const registered = { "r/x": ["a", "b"], "a/y": [] };
  expect(checksumOf({ PodDeviceEntries: entries, RegisteredDevices: registered })).toBe(1_259_874_476);
});

test("a changed owner changes it", () => {
  const { Data, Checksum } = readCheckpoint(recorded);
  const changed = Data.PodDeviceEntries?.map((each) => ({ ...each, ContainerName: "other" })) ?? [];
  expect(checksumOf({ ...Data, PodDeviceEntries: changed })).not.toBe(Checksum);
});
