/** Which network gets which device: the order of a pod's devices, and what is handed out of it. */

import { describe, expect, it } from "vitest";
import { InputError } from "../../../src/base/input-error.ts";
import { assignDevices, deviceOrder, isEnough } from "../../../src/devices/assignment.ts";
import type { ContainerDevices, DeviceWish } from "../../../src/multus/plan/devices.ts";

const pod = { namespace: "default", name: "web", uid: "u", sandboxId: "s" };
const sriov = "intel.com/sriov";
const part = (container: string, resourceName: string, ...ids: string[]): ContainerDevices => ({
  container,
  resourceName,
  ids,
});
const wish = (network: string, resourceName: string, deviceId?: string): DeviceWish => ({
  network,
  resourceName,
  deviceId,
});
const noPlugins = () => false;
const anyPlugins = () => true;

describe("the order of a pod's devices", () => {
  it("sorts within a container and keeps the order of the containers", () => {
    const order = deviceOrder([part("b", sriov, "9", "7"), part("a", sriov, "8", "1")]);
    expect(order).toEqual(new Map([[sriov, ["7", "9", "1", "8"]]]));
  });

  it("takes a container's parts together, wherever they are", () => {
    const order = deviceOrder([part("b", sriov, "9"), part("a", sriov, "8"), part("b", sriov, "7")]);
    expect(order.get(sriov)).toEqual(["7", "9", "8"]);
  });

  it("has a device of two NUMA nodes, or of two containers, once", () => {
    const order = deviceOrder([part("init", sriov, "2"), part("a", sriov, "1", "1"), part("a", sriov, "2")]);
    expect(order.get(sriov)).toEqual(["2", "1"]);
  });

  it("keeps resources apart", () => {
    const order = deviceOrder([part("a", "x/y", "2"), part("a", "x/z", "1"), part("b", "x/y", "1")]);
    expect(order).toEqual(
      new Map([
        ["x/y", ["2", "1"]],
        ["x/z", ["1"]],
      ]),
    );
  });

  it("sorts PCI addresses as Go does, by their bytes", () => {
    const ids = [
      "0000:af:02.1",
      "0000:3b:0a.0",
      "0000:3b:02.10",
      "0000:3b:02.2",
      "B",
      "a",
      "z\u{1f600}",
      "z\uff61",
    ];
    expect(deviceOrder([part("a", sriov, ...ids)]).get(sriov)).toEqual([
      "0000:3b:02.10",
      "0000:3b:02.2",
      "0000:3b:0a.0",
      "0000:af:02.1",
      "B",
      "a",
      "z\uff61",
      "z\u{1f600}",
    ]);
  });
});

describe("handing out", () => {
  const devices = new Map([
    [sriov, ["1", "2", "3"]],
    ["other/nic", ["a"]],
  ]);

  it("gives networks the next device of their resource, in their order", () => {
    const wishes = [wish("n1", sriov), wish("n2", "other/nic"), wish("n3", sriov)];
    expect(assignDevices(pod, wishes, devices, anyPlugins)).toEqual(["1", "a", "2"]);
  });

  it("takes devices that selections name out of the order, wherever they are named", () => {
    const wishes = [wish("n1", sriov), wish("n2", sriov, "1"), wish("n3", sriov)];
    expect(assignDevices(pod, wishes, devices, anyPlugins)).toEqual(["2", "1", "3"]);
  });

  it("refuses a device that is not the pod's", () => {
    expect(() => assignDevices(pod, [wish("default/vf", sriov, "9")], devices, anyPlugins)).toThrow(
      new InputError(
        "content",
        'network default/vf: deviceID "9" is no device of resource intel.com/sriov that pod default/web has; it has 3 (1, 2, 3)',
      ),
    );
  });

  it("refuses a device of another resource, or where the pod has none", () => {
    expect(() => assignDevices(pod, [wish("n", sriov, "a")], devices, noPlugins)).toThrow(
      'deviceID "a" is no device',
    );
    expect(() => assignDevices(pod, [wish("n", sriov, "1")], new Map(), noPlugins)).toThrow("it has 0");
  });

  it("refuses a device that is named twice", () => {
    const wishes = [wish("n1", sriov, "1"), wish("n2", sriov, "1")];
    expect(() => assignDevices(pod, wishes, devices, anyPlugins)).toThrow(
      'network n2: deviceID "1" is named by another network selection of the pod too',
    );
  });

  it("names resource, wanted, had and pod of a shortage", () => {
    const wishes = Array.from({ length: 4 }, (_each, index) => wish(`default/vf-${index}`, sriov));
    expect(() => assignDevices(pod, wishes, devices, anyPlugins)).toThrow(
      new InputError(
        "content",
        "resource intel.com/sriov: 4 wanted by networks of pod default/web (default/vf-0, default/vf-1, default/vf-2, default/vf-3), and it has 3 (1, 2, 3)",
      ),
    );
  });

  it("is a shortage where the pod has none of a resource that device plugins have", () => {
    expect(() => assignDevices(pod, [wish("n", sriov)], new Map(), (name) => name === sriov)).toThrow(
      "resource intel.com/sriov: 1 wanted by networks of pod default/web (n), and it has 0",
    );
  });

  it("leaves a network without a device whose resource is a counter of the scheduler's alone", () => {
    const wishes = [wish("n1", "bridge.network.kubevirt.io/br1"), wish("n2", sriov)];
    expect(assignDevices(pod, wishes, devices, (name) => name === sriov)).toEqual([undefined, "1"]);
  });

  it("keeps an error's text short, however much is wanted", () => {
    const wishes = Array.from({ length: 500 }, (_each, index) =>
      wish(`default/${"x".repeat(200)}-${index}`, sriov),
    );
    const many = new Map([
      [sriov, Array.from({ length: 400 }, (_each, index) => `${"y".repeat(250)}${index}`)],
    ]);
    let message = "";
    try {
      assignDevices(pod, wishes, many, anyPlugins);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^resource intel.com\/sriov: 500 wanted/);
    expect(message.length).toBeLessThan(4_200);
  });
});

it("knows what is enough", () => {
  const devices = new Map([[sriov, ["1", "2"]]]);
  expect(isEnough([], new Map())).toBe(true);
  expect(isEnough([wish("a", sriov), wish("b", sriov)], devices)).toBe(true);
  expect(isEnough([wish("a", sriov), wish("b", sriov), wish("c", sriov)], devices)).toBe(false);
  expect(isEnough([wish("a", sriov, "3")], devices)).toBe(false);
  expect(isEnough([wish("a", "x/y")], devices)).toBe(false);
});
