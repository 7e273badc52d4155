/** The kubelet's checkpoint: both forms with the checksums that Go computes, and everything that is damaged. */

import { expect, it } from "vitest";
import { InputError } from "../../../src/base/input-error.ts";
import { parseCheckpoint } from "../../../src/devices/checkpoint.ts";

const where = "/k/kubelet_internal_checkpoint";
const parse = (text: string) => parseCheckpoint(Buffer.from(text), where);

/** Written by Go 1.26 with the kubelet's types, encoding/json and k8s.io/utils/dump of Kubernetes 1.36: each has its own checksum. */
const written = {
  byNode:
    '{"Data":{"PodDeviceEntries":[{"PodUID":"0d2bd1f2-3c2e-4d53-9d5b-3a9d5d1f5e01","ContainerName":"app","ResourceName":"intel.com/sriov","DeviceIDs":{"0":["0000:03:02.1","0000:03:02.0"],"1":["0000:83:02.0"]},"AllocResp":"CgP/AIA="},{"PodUID":"0d2bd1f2-3c2e-4d53-9d5b-3a9d5d1f5e01","ContainerName":"sidecar","ResourceName":"intel.com/sriov","DeviceIDs":{"-1":["0000:03:02.7"]},"AllocResp":""},{"PodUID":"7f1c","ContainerName":"x","ResourceName":"example.com/é","DeviceIDs":{"-1":null,"10":[],"2":["a b"]},"AllocResp":null},{"PodUID":"7f1d","ContainerName":"y","ResourceName":"example.com/z","DeviceIDs":null,"AllocResp":"eA=="}],"RegisteredDevices":{"example.com/gone":null,"example.com/none":[],"intel.com/sriov":["0000:03:02.0","0000:03:02.1"],"z｡":["2"],"z😀":["1"]}},"Checksum":2874737723}',
  nil: '{"Data":{"PodDeviceEntries":null,"RegisteredDevices":null},"Checksum":1944006890}',
  empty: '{"Data":{"PodDeviceEntries":[],"RegisteredDevices":{}},"Checksum":2932075448}',
  list: '{"Data":{"PodDeviceEntries":[{"PodUID":"0d2b","ContainerName":"app","ResourceName":"intel.com/sriov","DeviceIDs":["b","a"],"AllocResp":"AQI="}],"RegisteredDevices":{"intel.com/sriov":["a","b"]}},"Checksum":4212692716}',
} as const;

it("reads devices by NUMA node", () => {
  const { entries, registered } = parse(written.byNode);
  expect(entries?.slice(0, 2)).toEqual([
    {
      podUid: "0d2bd1f2-3c2e-4d53-9d5b-3a9d5d1f5e01",
      container: "app",
      resourceName: "intel.com/sriov",
      devices: {
        form: "nodes",
        byNode: new Map([
          [0n, ["0000:03:02.1", "0000:03:02.0"]],
          [1n, ["0000:83:02.0"]],
        ]),
      },
      allocation: Buffer.from([10, 3, 255, 0, 128]),
    },
    {
      podUid: "0d2bd1f2-3c2e-4d53-9d5b-3a9d5d1f5e01",
      container: "sidecar",
      resourceName: "intel.com/sriov",
      devices: { form: "nodes", byNode: new Map([[-1n, ["0000:03:02.7"]]]) },
      allocation: Buffer.alloc(0),
    },
  ]);
  expect(new Set(registered?.keys())).toEqual(
    new Set(["example.com/gone", "example.com/none", "intel.com/sriov", "z\uff61", "z\u{1f600}"]),
  );
});

it("reads devices in a list, as kubelets up to 1.19 write them", () => {
  expect(parse(written.list).entries).toEqual([
    {
      podUid: "0d2b",
      container: "app",
      resourceName: "intel.com/sriov",
      devices: { form: "list", ids: ["b", "a"] },
      allocation: Buffer.from([1, 2]),
    },
  ]);
});

it("knows nil from empty, whose checksums differ", () => {
  expect(parse(written.nil)).toEqual({ entries: undefined, registered: undefined });
  expect(parse(written.empty)).toEqual({ entries: [], registered: new Map() });
  expect(() => parse(written.nil.replaceAll("null", "[]"))).toThrow(InputError);
});

it.each([
  ["another device", (text: string) => text.replace("0000:03:02.1", "0000:03:02.2")],
  ["another pod", (text: string) => text.replace("0d2bd1f2", "0d2bd1f3")],
  [
    "another order",
    (text: string) => text.replace('"0000:03:02.1","0000:03:02.0"', '"0000:03:02.0","0000:03:02.1"'),
  ],
  ["another answer of the device plugin", (text: string) => text.replace("CgP/AIA=", "CgP/AIE=")],
  ["another set of resources", (text: string) => text.replace("example.com/gone", "example.com/back")],
  ["the devices of another NUMA node", (text: string) => text.replace('"1":["0000:83', '"2":["0000:83')],
])("refuses a file with %s than the checksum is of", (_what, damage) => {
  expect(() => parse(damage(written.byNode))).toThrow(
    /^\/k\/kubelet_internal_checkpoint: Checksum is 2874737723, and that of its content is \d+: the file is damaged/,
  );
});

it("refuses a file that is torn, wherever it ends", () => {
  for (let length = 0; length < written.byNode.length; length += 7) {
    expect(() => parse(written.byNode.slice(0, length))).toThrow(/^\/k\/kubelet_internal_checkpoint: /);
  }
});

it.each([
  ["Data is missing", '{"Checksum":1}', "Data must be an object, is undefined"],
  [
    "the form is another",
    '{"Data":{"Pods":{}},"Checksum":1}',
    'Data has the key "Pods", which no known kubelet writes',
  ],
  [
    "an entry has a further key",
    '{"Data":{"PodDeviceEntries":[{"PodUID":"u","New":1}]},"Checksum":1}',
    'Data.PodDeviceEntries[0] has the key "New", which no known kubelet writes',
  ],
  [
    "a NUMA node is no number",
    '{"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"r","DeviceIDs":{"a":[]}}]},"Checksum":1}',
    'Data.PodDeviceEntries[0].DeviceIDs has the key "a", which is no number of a NUMA node',
  ],
  [
    "an id is no text",
    '{"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c","ResourceName":"r","DeviceIDs":{"0":[7]}}]},"Checksum":1}',
    "Data.PodDeviceEntries[0].DeviceIDs[0][0] must be a text, is 7",
  ],
  [
    "the checksum is missing",
    '{"Data":{"PodDeviceEntries":null,"RegisteredDevices":null}}',
    "Checksum is undefined",
  ],
  ["it is no object", "[]", "it must be an object, is an array"],
])("names the place where %s", (_what, text, message) => {
  expect(() => parse(text)).toThrow(message);
});
