/** Targets: what the kubelet, its checkpoint and device plugins say of devices. */

import { InputError } from "../../../src/base/input-error.ts";
import { parseCheckpoint } from "../../../src/devices/checkpoint.ts";
import { checkDeviceInfo } from "../../../src/devices/device-info.ts";
import {
  decodeAllocatable,
  decodeAllocatableDevices,
  decodePods,
  decodePodsWithClaims,
  encodeGetRequest,
} from "../../../src/devices/pod-resources-messages.ts";
import { attempt, type FuzzTarget, must } from "../engine/target.ts";

/** A list of one pod with two devices, one with its NUMA node, and CPUs; one that only names a pod; and one of a pod with a device of a claim. */
const podSeeds = () => [
  Buffer.from(
    "CjIKA3dlYhIHZGVmYXVsdBoiCgNhcHASGwoPaW50ZWwuY29tL3NyaW92EgExEgEyGgQKAggBCg4KBW90aGVyEgVzcGFjZQ==",
    "base64",
  ),
  encodeGetRequest("default", "web"),
  Buffer.from(
    "CjsKA3dlYhIHZGVmYXVsdBorCgNhcHASCAoDYS9iEgExKhoSAWMaB2RlZmF1bHQiDBIBZBoBbiIEdmYtMA==",
    "base64",
  ),
];

export const podResourcesTarget: FuzzTarget = {
  name: "devices/pod-resources",
  covers: [
    "src/devices/pod-resources-messages.ts decodePods",
    "src/devices/pod-resources-messages.ts decodePodsWithClaims",
    "src/devices/pod-resources-messages.ts decodeAllocatable",
    "src/devices/pod-resources-messages.ts decodeAllocatableDevices",
  ],
  seeds: podSeeds,
  words: ["\n\0", "\x12\x01a", "\x1a\0", "\xff\xff\xff\xff\x0f", "\x0b\x0c"],
  run(input) {
    const wanted = attempt(input, [InputError], () =>
      decodePods(input, (_namespace, name) => name === "web", "answer"),
    );
    for (const pod of wanted ?? []) {
      must(pod.name === "web", "a pod that was not asked for");
      if (pod.devices instanceof InputError) continue;
      const ids = pod.devices.flatMap((devices) => devices.ids);
      must(
        ids.every((id) => id.length <= 256),
        "a device id that is too long",
      );
      must(ids.length <= input.length, "more ids than bytes");
    }
    const none = attempt(input, [InputError], () => decodePods(input, () => false, "answer"));
    must(none === undefined || none.length === 0, "a pod that was not asked for");
    const all = attempt(input, [InputError], () => decodePodsWithClaims(input, "answer"));
    must(
      all === undefined || none !== undefined,
      "the list with all devices is one, and that with none is not",
    );
    for (const [index, pod] of (all?.filter(({ name }) => name === "web") ?? []).entries()) {
      // It may have too many devices of claims, which are not read there.
      if (pod.devices instanceof InputError) continue;
      const { devices } = wanted?.[index] ?? {};
      must(JSON.stringify(pod.devices) === JSON.stringify(devices), "another list has other devices");
      must(pod.claimed.length <= input.length, "more devices of claims than bytes");
    }
    const names = attempt(input, [InputError], () => decodeAllocatable(input, "answer"));
    const resources = attempt(input, [InputError], () => decodeAllocatableDevices(input, "answer"));
    for (const name of resources?.keys() ?? []) {
      must(name === "" || names?.has(name) === true, "a resource that the list of names does not have");
    }
  },
};

export const checkpointTarget: FuzzTarget = {
  name: "devices/checkpoint",
  covers: ["src/devices/checkpoint.ts parseCheckpoint"],
  seeds: () => [
    '{"Data":{"PodDeviceEntries":null,"RegisteredDevices":null},"Checksum":1944006890}',
    '{"Data":{"PodDeviceEntries":[],"RegisteredDevices":{}},"Checksum":2932075448}',
    '{"Data":{"PodDeviceEntries":[{"PodUID":"0d2b","ContainerName":"app","ResourceName":"intel.com/sriov","DeviceIDs":["b","a"],"AllocResp":"AQI="}],"RegisteredDevices":{"intel.com/sriov":["a","b"]}},"Checksum":4212692716}',
    '{"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"r","DeviceIDs":{"-1":["1"],"0":null},"AllocResp":null}],"RegisteredDevices":{"r":null}},"Checksum":1}',
  ],
  words: ['"DeviceIDs":', '"AllocResp":', "null", "[]", "{}", '"-1":', '"__proto__":', '"Checksum":0'],
  run(input) {
    const data = attempt(input, [InputError], () => parseCheckpoint(input, "/k/checkpoint"));
    if (data === undefined) return;
    // A text that the parser takes has a checksum.
    const checksum = (JSON.parse(input.toString("utf8")) as { Checksum: unknown }).Checksum;
    must(typeof checksum === "number" && checksum >= 0 && checksum < 2 ** 32, "a checksum that none can be");
  },
};

export const deviceInfoTarget: FuzzTarget = {
  name: "devices/device-info",
  covers: [],
  seeds: () => [
    '{"type":"pci","version":"1.1.0","pci":{"pci-address":"0000:03:02.1"}}',
    '{"type":"vdpa","vdpa":{"driver":"vhost","path":"/dev/vhost-vdpa-0"}}',
    '{"type":"memif","memif":{"role":"master"}}',
  ],
  words: ['"vhost-user":', '"rdma":', '"type":', "null", "1e999", '"__proto__":'],
  run(input) {
    const isOne = attempt(input, [InputError], () => {
      checkDeviceInfo(input, "/d/f");
      return true;
    });
    if (isOne !== true) return;
    const value: unknown = JSON.parse(input.toString("utf8"));
    must(typeof value === "object" && value !== null && !Array.isArray(value), "no object");
  },
};
