/** Each pod's networks have devices of their own. */

import { describe, expect, test } from "vitest";
import {
  checkDevices,
  configWithDevice,
  definitionsWithDevices,
  selectedNetworks,
  selectionText,
  selectionWithDevices,
} from "../../../../src/ctl/bench/pod-devices.ts";

const devices = [{ network: "vf", ids: ["a", "b", "c", "d"] }];
const selected = selectedNetworks("vf@one,other/plain,vf@two", "default");

describe("devices", () => {
  test("go to the pods in order, as many as each selects the network", () => {
    const of = (pod: number) =>
      selectedNetworks(selectionWithDevices(selected, devices, pod), "default").map(
        ({ namespace, name, request: { ifName, deviceID } }) => [namespace, name, ifName, deviceID],
      );
    expect(of(0)).toEqual([
      ["default", "vf", "one", "a"],
      ["other", "plain", undefined, undefined],
      ["default", "vf", "two", "b"],
    ]);
    expect(of(1).map(([, , , device]) => device)).toEqual(["c", undefined, "d"]);
  });

  test("are enough, or it is said how many there should be", () => {
    expect(() => checkDevices(devices, selected, 2)).not.toThrow();
    expect(() => checkDevices(devices, selected, 3)).toThrow(
      "--devices vf: 3 pods at once need 6 devices, and 4 are named",
    );
    expect(() => checkDevices([{ network: "no", ids: ["a"] }], selected, 1)).toThrow(
      "--devices no: the pods do not select this network",
    );
    expect(() => checkDevices([{ network: "other/plain", ids: ["a"] }], selected, 1)).not.toThrow();
  });

  test("are in copies of the definitions, which the pod selects in their place", () => {
    const config = '{"cniVersion":"1.0.0","plugins":[{"type":"sriov","vlan":7},{"type":"tuning"}]}';
    const definitions = [{ namespace: "default", name: "vf", config }];
    const { selection, copies } = definitionsWithDevices(selected, devices, definitions, 1);
    expect(copies.map(({ name, original }) => [name, original])).toEqual([
      ["vf.pod1-0", "default/vf"],
      ["vf.pod1-2", "default/vf"],
    ]);
    expect(JSON.parse(copies[0]?.config ?? "")).toEqual({
      name: "vf",
      cniVersion: "1.0.0",
      plugins: [
        { type: "sriov", vlan: 7, deviceID: "c", pciBusID: "c" },
        { type: "tuning", deviceID: "c", pciBusID: "c" },
      ],
    });
    expect(
      selectedNetworks(selection, "default").map(({ namespace, name }) => `${namespace}/${name}`),
    ).toEqual(["default/vf.pod1-0", "other/plain", "default/vf.pod1-2"]);
    expect(() => definitionsWithDevices(selected, devices, [], 0)).toThrow("--nad has no definition of it");
  });

  test("are not put into what is no configuration", () => {
    const of = (config: string) => () => configWithDevice({ namespace: "default", name: "vf", config }, "a");
    expect(of("[]")).toThrow("spec.config of default/vf is no object");
    expect(of("{")).toThrow(/spec\.config of default\/vf.*line 1/);
  });
});

test("a selection keeps all that it says when it is written again", () => {
  const text = JSON.stringify([
    {
      name: "vf",
      namespace: "ns",
      interface: "net7",
      ips: ["10.0.0.2/24"],
      mac: "02:00:00:00:00:01",
      "infiniband-guid": "c2:11:22:33:44:55:66:77",
      portMappings: [{ hostPort: 1, containerPort: 2 }],
      bandwidth: { ingressRate: 1 },
      "default-route": ["10.0.0.1"],
      "cni-args": { a: { b: 1 } },
      deviceID: "0000:01:00.0",
      "ipam-claim-reference": "claim",
    },
  ]);
  expect(JSON.parse(selectionText(selectedNetworks(text, "default")))).toEqual(JSON.parse(text));
});

test("a selection that is written again keeps numbers beyond 2^53, and the device wins over one that it names", () => {
  const text = '[{"name":"vf","DeviceID":"z","cni-args":{"id":18446744073709551615}}]';
  const written = selectionWithDevices(selectedNetworks(text, "default"), devices, 0);
  expect(written).toContain('"cni-args":{"id":18446744073709551615}');
  expect(selectedNetworks(written, "default")[0]?.request.deviceID).toBe("a");
});
