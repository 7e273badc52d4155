/** Networks that want a device: which gets which, what its plugins are told at ADD, DEL and CHECK, and what is said where there are too few. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { PodResourcesServer } from "../../support/pod-resources-server.ts";
import type { Json, PluginCall } from "../../support/pretended-plugins.ts";
import { NodeWithDevices, sriov } from "./node-with-devices.ts";
import { answerOf, containerId, selecting } from "./rig.ts";

let kernels: Kernels;
let node: NodeWithDevices;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(async () => {
  node = await NodeWithDevices.start(kernels);
});

afterEach(() => node[Symbol.asyncDispose]());

const vf: Json = { cniVersion: "1.0.0", type: "sriov" };

/** `plugin ifName deviceID` of the calls of a command, the cluster network's left out. */
function given(command: string): string[] {
  const calls = node.rig.plugins.calls.filter((call) => call.command === command && call.ifName !== "eth0");
  return calls.map(({ plugin, ifName, stdin }) => `${plugin} ${ifName} ${String(stdin.deviceID)}`);
}

/** A call's configuration without what is the moment's. */
function configurationOf({ stdin: { prevResult: _left, ...configuration } }: PluginCall): Json {
  return configuration;
}

/** The plan on disk. */
function plan(): readonly Json[] {
  return JSON.parse(readFileSync(join(node.rig.cniDir, containerId), "utf8")) as Json[];
}

describe("a network that wants a device", () => {
  test("gets it in every plugin of its list, and as the capabilities that a plugin has", async () => {
    node.assign({ app: { [sriov]: ["0000:03:02.1"] } });
    node.addNetwork("default/vf", {
      cniVersion: "1.0.0",
      plugins: [
        { type: "sriov", vlan: 5, capabilities: { deviceID: true } },
        { type: "tuning", deviceID: "of another time", capabilities: { CNIDeviceInfoFile: true } },
        { type: "rdma" },
      ],
    });
    node.addPod(selecting("vf"));
    expect((await node.rig.run("ADD")).error).toBeUndefined();
    const device = { deviceID: "0000:03:02.1", pciBusID: "0000:03:02.1" };
    const file = join(node.devinfo, "cni", `default-vf-${containerId}_net1`);
    expect(node.rig.plugins.calls.slice(1).map(configurationOf)).toEqual([
      {
        cniVersion: "1.0.0",
        name: "vf",
        type: "sriov",
        vlan: 5,
        ...device,
        runtimeConfig: { deviceID: "0000:03:02.1" },
      },
      {
        cniVersion: "1.0.0",
        name: "vf",
        type: "tuning",
        ...device,
        runtimeConfig: { CNIDeviceInfoFile: file },
      },
      { cniVersion: "1.0.0", name: "vf", type: "rdma", ...device },
    ]);
  });

  test("is in the plan as Go multus has it, and its plugins get the same at DEL and CHECK, also from the next daemon", async () => {
    node.assign({ app: { [sriov]: ["0000:03:02.1"] } });
    node.addNetwork("default/vf", { ...vf, capabilities: { deviceID: true, CNIDeviceInfoFile: true } });
    node.addPod(selecting("vf"));
    const netconf = { checkDelegates: "all" };
    await node.rig.run("ADD", { netconf });
    expect(plan()[1]).toMatchObject({
      Name: "default/vf",
      deviceID: "0000:03:02.1",
      resourceName: sriov,
    });
    const bytes = Buffer.from(String(plan()[1]?.Bytes), "base64").toString("utf8");
    expect(JSON.parse(bytes)).toMatchObject({ deviceID: "0000:03:02.1", pciBusID: "0000:03:02.1" });
    // The device assigned at ADD counts, whatever the kubelet says now.
    node.assign({ app: {} });
    node.rig.restart();
    await node.rig.run("CHECK", { netconf });
    await node.rig.run("DEL", { netconf });
    const ofNetwork = node.rig.plugins.calls.filter(({ ifName }) => ifName === "net1");
    expect(ofNetwork.map(({ command }) => command)).toEqual(["ADD", "CHECK", "DEL"]);
    const [added] = ofNetwork.map(configurationOf);
    expect(added).toMatchObject({ runtimeConfig: { deviceID: "0000:03:02.1" } });
    expect(ofNetwork.map(configurationOf)).toEqual([added, added, added]);
    expect(node.kubelet.calls).toEqual(["Get default/web"]);
  });

  test("gets it beside cni-args and a GUID, in the forms that ib-sriov-cni reads", async () => {
    node.assign({ app: { [sriov]: ["0000:03:02.1"] } });
    node.addNetwork("default/ib", { ...vf, type: "ib-sriov", capabilities: { infinibandGUID: true } });
    const guid = "c2:11:22:33:44:55:66:77";
    node.addPod(selecting([{ name: "ib", "infiniband-guid": guid, "cni-args": { guid } }]));
    await node.rig.run("ADD");
    expect(node.rig.plugins.calls[1]?.stdin).toMatchObject({
      deviceID: "0000:03:02.1",
      args: { cni: { guid } },
      runtimeConfig: { infinibandGUID: guid },
    });
  });

  test("may be the cluster network, a default network or the pod's default-network: they come first", async () => {
    node.assign({ app: { [sriov]: ["d", "b", "c", "a"] } });
    for (const name of ["cluster", "default", "other"]) node.addNetwork(`kube-system/${name}`, vf);
    node.addNetwork("default/vf", vf);
    node.addPod(selecting("vf"));
    const netconf = { delegates: undefined, clusterNetwork: "cluster", defaultNetworks: ["default"] };
    const devices = () => node.rig.plugins.calls.map(({ stdin }) => stdin.deviceID);
    await node.rig.run("ADD", { netconf });
    expect(devices()).toEqual(["a", "b", "c"]);
    await node.rig.run("DEL", { netconf });
    node.rig.plugins.calls.length = 0;
    node.addPod({ ...selecting("vf"), "v1.multus-cni.io/default-network": "other" });
    await node.rig.run("ADD", { netconf });
    expect(node.rig.plugins.calls.map(({ stdin }) => [stdin.name, stdin.deviceID])).toEqual([
      ["other", "a"],
      ["default", "b"],
      ["vf", "c"],
    ]);
  });

  test("is undone without a device where nothing of its ADD is left, and no kubelet is asked", async () => {
    node.addNetwork("default/vf", vf);
    node.addPod(selecting("vf"));
    expect((await node.rig.run("DEL")).error).toBeUndefined();
    expect(given("DEL")).toEqual(["sriov net1 undefined"]);
    expect(node.kubelet.calls).toEqual([]);
  });
});

describe("the devices of a pod", () => {
  test("go to its networks in the order of the annotation, containers first, ids sorted within one", async () => {
    node.assign({
      sidecar: { [sriov]: ["z"] },
      app: { [sriov]: ["y", "x"], "vendor.com/rdma": ["r2", "r1"] },
    });
    node.addNetwork("default/a", vf);
    node.addNetwork("default/b", vf);
    node.addNetwork("default/r", { ...vf, type: "rdma" }, "vendor.com/rdma");
    node.addPod(selecting("b,r,a,b,r"));
    await node.rig.run("ADD");
    const added = ["sriov net1 z", "rdma net2 r1", "sriov net3 x", "sriov net4 y", "rdma net5 r2"];
    expect(given("ADD")).toEqual(added);
    await node.rig.run("DEL");
    expect(given("DEL")).toEqual(added.toReversed());
  });

  test("that a selection names is that network's, and the others get the next ones", async () => {
    node.assign({ app: { [sriov]: ["1", "2", "3"] } });
    node.addNetwork("default/vf", vf);
    node.addPod(selecting([{ name: "vf" }, { name: "vf", deviceID: "1" }, { name: "vf" }]));
    await node.rig.run("ADD");
    expect(given("ADD")).toEqual(["sriov net1 2", "sriov net2 1", "sriov net3 3"]);
  });

  test("may be those of its ResourceClaims", async () => {
    node.cluster.claimed.set("default/web", [
      { container: "app", resourceName: sriov, ids: ["0000:05:00.1"] },
    ]);
    node.addNetwork("default/vf", vf);
    node.addPod(selecting("vf"));
    await node.rig.run("ADD");
    expect(given("ADD")).toEqual(["sriov net1 0000:05:00.1"]);
  });

  test("are not asked for where no network wants one", async () => {
    node.cluster.addNad("default/mv", { cniVersion: "1.0.0", type: "macvlan" });
    node.addPod(selecting([{ name: "mv", deviceID: "0000:03:02.3" }]));
    await node.rig.run("ADD");
    expect(given("ADD")).toEqual(["macvlan net1 undefined"]);
    expect(node.kubelet.calls).toEqual([]);
  });
});

describe("devices that are too few", () => {
  const failing = async () => {
    const handled = await node.rig.run("ADD");
    expect(node.rig.plugins.calls).toEqual([]);
    return answerOf(handled);
  };

  test("fail the ADD before any plugin runs, and are an event of the pod", async () => {
    node.assign({ app: { [sriov]: ["1", "2"] } });
    node.addNetwork("default/vf", vf);
    node.addPod(selecting("vf,vf,vf"));
    const message =
      "resource intel.com/sriov: 3 wanted by networks of pod default/web (default/vf, default/vf, default/vf), and it has 2 (1, 2)";
    expect(await failing()).toMatchObject({ code: 7, msg: `[default/web/u-1]: ${message}` });
    expect(node.cluster.events).toEqual([["Warning", "DeviceNotAssigned", message]]);
    // Nothing was begun: the DEL has nothing to undo.
    expect((await node.rig.run("DEL")).error).toBeUndefined();
    expect(node.rig.plugins.calls).toEqual([]);
  });

  test("a selection's own that the pod does not have fails it as well", async () => {
    node.assign({ app: { [sriov]: ["1"] } });
    node.addNetwork("default/vf", vf);
    node.addPod(selecting([{ name: "vf", deviceID: "9" }]));
    const message =
      'network default/vf: deviceID "9" is no device of resource intel.com/sriov that pod default/web has; it has 1 (1)';
    expect(await failing()).toMatchObject({ code: 7, msg: `[default/web/u-1]: ${message}` });
    expect(node.cluster.reasons).toEqual([`DeviceNotAssigned ${message}`]);
  });

  test("or not known are for the runtime to try again", async () => {
    node.kubelet.pods = [];
    node.addNetwork("default/vf", vf);
    node.addPod(selecting("vf"));
    const message = "the devices of pod default/web are not known: the kubelet has no such pod yet";
    expect(await failing()).toMatchObject({ code: 11, msg: `[default/web/u-1]: ${message}` });
    expect(node.cluster.reasons).toEqual([`DeviceNotAssigned ${message}`]);
    node.assign({ app: { [sriov]: ["1"] } });
    expect((await node.rig.run("ADD")).error).toBeUndefined();
    expect(given("ADD")).toEqual(["sriov net1 1"]);
  });

  test("a resource that no device plugin offers needs none, as those of bridges", async () => {
    node.addNetwork("default/br", { ...vf, type: "bridge" }, "bridge.network.kubevirt.io/br1");
    node.addPod(selecting("br"));
    expect((await node.rig.run("ADD")).error).toBeUndefined();
    expect(given("ADD")).toEqual(["bridge net1 undefined"]);
    expect(plan()[1]).not.toHaveProperty("resourceName");
  });
});

test("a daemon that has no kubelet to ask refuses a network that wants a device", async () => {
  await using without = await NodeWithDevices.start(kernels, { devices: undefined });
  without.addNetwork("default/vf", vf);
  without.addPod(selecting("vf"));
  expect(answerOf(await without.rig.run("ADD"))).toMatchObject({
    code: 11,
    msg: "[default/web/u-1]: network default/vf wants a device of intel.com/sriov, and there is no kubelet to ask for the devices of pods",
  });
});

test("a kubelet that restarts between two ADDs is asked again", async () => {
  node.assign({ app: { [sriov]: ["1"] } });
  node.addNetwork("default/vf", vf);
  node.addPod(selecting("vf"));
  await node.rig.run("ADD");
  await node.rig.run("DEL");
  const { pods } = node.kubelet;
  await node.kubelet[Symbol.asyncDispose]();
  await using next = await new PodResourcesServer(node.kubelet.socket).listen();
  next.pods = pods;
  expect((await node.rig.run("ADD")).error).toBeUndefined();
  expect(given("ADD")).toEqual(["sriov net1 1", "sriov net1 1"]);
});
