/** The networks of docs/examples/devices: each has its pod, and what it says that its plugins receive follows from its configuration and the pod's devices. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deviceExample } from "../../support/device-examples.ts";
import { root } from "./markdown.ts";

const directory = join(root, "docs", "examples", "devices");
const names = readdirSync(directory)
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.slice(0, -".yaml".length));

/** Keys that multus puts into a plugin's configuration. */
const added = ["deviceID", "pciBusID", "prevResult", "runtimeConfig"];

test("there is one for each plugin that needs devices, listed in the README", () => {
  expect(names.sort()).toEqual([
    ...["accelerated-bridge", "host-device", "ib-sriov", "ovs", "rdma", "sriov", "userspace"],
  ]);
  const readme = readFileSync(join(root, "docs", "examples", "README.md"), "utf8");
  for (const name of names) expect(readme).toContain(`[devices/${name}.yaml](devices/${name}.yaml)`);
});

test.each(names)("%s: the pod asks for the devices that its networks need", (name) => {
  const { network, resource, pod, selections, devices } = deviceExample(name);
  expect(selections.map((selection) => selection.name)).toEqual(selections.map(() => network));
  const wanted = resource === undefined ? {} : { [resource]: String(selections.length) };
  const limits = pod.spec.containers.map((container) => container.resources?.limits ?? {});
  expect(limits).toEqual([wanted]);
  expect(Object.keys(devices)).toEqual(resource === undefined ? [] : [resource]);
});

test.each(names)(
  "%s: each plugin receives its configuration, its device and what its capabilities ask for",
  (name) => {
    const { network, config, resource, selections, devices, stdin } = deviceExample(name);
    const plugins = "plugins" in config ? config.plugins : [config];
    expect(stdin).toHaveLength(selections.length * plugins.length);
    const ids = resource === undefined ? [] : devices[resource];
    for (const [index, received] of stdin.entries()) {
      const plugin = plugins[index % plugins.length];
      const selection = selections[Math.floor(index / plugins.length)];
      const id = ids?.[Math.floor(index / plugins.length)];
      const { capabilities = {}, ...own } = plugin ?? { type: "" };
      const kept = Object.entries(received).filter(([key]) => !added.includes(key));
      expect(Object.fromEntries(kept)).toEqual({ ...own, cniVersion: config.cniVersion, name: network });
      expect([received.deviceID, received.pciBusID]).toEqual([id, id]);
      expect("prevResult" in received).toBe(index % plugins.length > 0);
      const asked = {
        mac: selection?.mac,
        infinibandGUID: selection?.["infiniband-guid"],
        deviceID: id,
        CNIDeviceInfoFile: id === undefined ? undefined : "/var/run/k8s.cni.cncf.io/devinfo/cni/…",
      };
      const given = Object.entries(asked).filter(
        ([key, value]) => key in capabilities && value !== undefined,
      );
      expect(received.runtimeConfig ?? {}).toEqual(Object.fromEntries(given));
    }
  },
);
