/** Devices of real device plugins and DRA drivers on a real node: each plugin of a pod's networks receives its device, and nothing of it is left afterwards. */

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Controllers } from "../support/cluster/controllers.ts";
import { DevicePlugin } from "../support/cluster/device-plugin.ts";
import { type DraDevice, DraDriver } from "../support/cluster/dra-driver.ts";
import { importBusyboxImage } from "../support/cluster/images.ts";
import {
  type DeviceContainer,
  type DevicePod,
  devicePodManifest,
  documents,
} from "../support/cluster/manifests.ts";
import { ClusterNode, networksAnnotation, nodeName } from "../support/cluster/node.ts";
import { devicesByContainer, PodResourcesClient } from "../support/cluster/pod-resources.ts";
import { RecordedPlugins } from "../support/cluster/recorded-plugins.ts";
import { deviceExample } from "../support/device-examples.ts";

const resource = "vendor.example/vf";
const infiniband = "vendor.example/ib";
const claimed = "vendor.example/claimed-vf";
const resourceApi = "/apis/resource.k8s.io/v1";

const functions = ["0000:65:00.2", "0000:65:00.3", "0000:65:00.4", "0000:65:00.5", "0000:65:00.6"];
const ports = ["ib0", "ib1"];
const examples = ["accelerated-bridge", "host-device", "ib-sriov", "ovs", "rdma", "sriov", "userspace"];

let plugins: RecordedPlugins;
let node: ClusterNode;
let controllers: Controllers;
let vf: DevicePlugin;
let ib: DevicePlugin;

/** Where device plugins leave what they know of their devices. */
const ofDevicePlugins = () => join(node.deviceInformationDirectory, "devinfo", "dp");
/** Where multus gives CNI plugins theirs. */
const ofPlugins = () => join(node.deviceInformationDirectory, "devinfo", "cni");

/** As a device plugin writes it. */
function information(id: string) {
  return { type: "pci", version: "1.1.0", pci: { "pci-address": id } };
}

/** Starts a device plugin that writes its device information files, as the SR-IOV network device plugin does. */
async function offer(of: string, ids: readonly string[]): Promise<DevicePlugin> {
  mkdirSync(ofDevicePlugins(), { recursive: true });
  for (const id of ids) {
    const file = `${of.replaceAll("/", "-")}-${id}-device.json`;
    writeFileSync(join(ofDevicePlugins(), file), JSON.stringify(information(id)));
  }
  // Not in the ids' order, which is what the plugins of networks have to see.
  const prefer = (available: readonly string[], size: number) =>
    available.toSorted().reverse().slice(0, size);
  const plugin = await DevicePlugin.start(
    node.devicePluginDirectory,
    of,
    ids.map((id) => ({ id, numaNodes: [0, 1] })),
    { prefer },
  );
  await node.untilAllocatable(of, ids.length);
  return plugin;
}

/** Restarts the kubelet; the device plugins register again, as they do. */
async function restartKubelet(): Promise<void> {
  await node.restartKubelet();
  for (const plugin of [vf, ib]) await plugin.register();
  await node.untilAllocatable(resource, functions.length);
}

async function applyDeviceNetwork(name: string, of: string): Promise<void> {
  await node.api.request(
    "POST",
    "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions",
    {
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name, annotations: { "k8s.v1.cni.cncf.io/resourceName": of } },
      spec: { config: JSON.stringify({ cniVersion: "1.0.0", type: "recorded" }) },
    },
  );
}

beforeAll(async () => {
  const types = examples.flatMap((name) => deviceExample(name).stdin.map(({ type }) => type));
  plugins = new RecordedPlugins([...types, "recorded"]);
  node = await ClusterNode.start({
    devices: true,
    containerd: "2.4",
    cniVersion: "1.0.0",
    netconf: { binDir: plugins.binDir },
  });
  await importBusyboxImage(node);
  controllers = await Controllers.start(node.api);
  const account = { kind: "ServiceAccount", namespace: "kube-system", name: "multus" };
  const rules = [
    {
      apiGroups: ["resource.k8s.io"],
      resources: ["resourceclaims", "resourceslices"],
      verbs: ["get", "list", "watch"],
    },
  ];
  const roles = "/apis/rbac.authorization.k8s.io/v1";
  await node.api.request("POST", `${roles}/clusterroles`, { metadata: { name: "devices" }, rules });
  await node.api.request("POST", `${roles}/clusterrolebindings`, {
    metadata: { name: "devices" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "devices" },
    subjects: [account],
  });
  vf = await offer(resource, functions);
  ib = await offer(infiniband, ports);
  for (const [name, of] of [
    ["fast", resource],
    ["faster", resource],
    ["infiniband", infiniband],
    ["by-claim", claimed],
  ] as const) {
    await applyDeviceNetwork(name, of);
  }
});

afterAll(async () => {
  vf?.[Symbol.dispose]();
  ib?.[Symbol.dispose]();
  await controllers?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
  plugins?.[Symbol.dispose]();
});

/** Names of the files with device information that plugins were given; none where no plugin was. */
function filesOfPlugins(): string[] {
  return existsSync(ofPlugins()) ? readdirSync(ofPlugins()) : [];
}

/** Those of a test that failed would keep devices from the next one. */
async function deleteAllPods(): Promise<void> {
  const left = (await node.pods("default")).map(({ metadata }) => metadata.name);
  if (left.length > 0) await node.deletePods("default", ...left);
}

afterEach(async () => {
  await deleteAllPods();
  expect(filesOfPlugins()).toEqual([]);
});

/** A pod with these networks that runs. */
async function runPod(name: string, networks: string, pod: Omit<DevicePod, "namespace" | "name">) {
  const annotations = { [networksAnnotation]: networks };
  await node.apply(devicePodManifest({ ...pod, namespace: "default", name, annotations }));
  await node.waitForPod("default", name);
}

/** A pod's devices of a resource in the order of its containers, as the kubelet tells. */
function devicesOf(listed: Awaited<ReturnType<PodResourcesClient["list"]>>, pod: string, of: string) {
  return listed
    .filter(({ name }) => name === pod)
    .flatMap(({ containers }) => devicesByContainer(containers))
    .flatMap(([, devices]) => devices[of] ?? []);
}

/** Interface and device of each attachment of a pod, in the order in which the plugins ran. */
function attached(pod: string) {
  return plugins.calls(pod, "ADD").map(({ ifName, stdin }) => [ifName, stdin.deviceID, stdin.pciBusID]);
}

/** The pod goes, and each plugin is given at DEL what it was given at ADD. */
async function deletePod(name: string): Promise<void> {
  const given = attached(name);
  await node.deletePods("default", name);
  const released = plugins
    .calls(name, "DEL")
    .map(({ ifName, stdin }) => [ifName, stdin.deviceID, stdin.pciBusID]);
  expect(new Map(released.map(([ifName, ...device]) => [ifName, device]))).toEqual(
    new Map(given.map(([ifName, ...device]) => [ifName, device])),
  );
}

/** A value that depends on the run ends with `…` in an example. */
function asExpected(value: unknown, key = ""): unknown {
  if (key === "prevResult") return expect.objectContaining({ cniVersion: expect.any(String) });
  if (typeof value === "string" && value.endsWith("…")) return expect.stringContaining(value.slice(0, -1));
  if (Array.isArray(value)) return value.map((item) => asExpected(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([of, item]) => [of, asExpected(item, of)]));
}

test.each(examples)("docs/examples/devices/%s: the plugins receive what it says", async (name) => {
  const { manifests, pod, devices, stdin } = deviceExample(name);
  await using offered = new AsyncDisposableStack();
  for (const [of, ids] of Object.entries(devices)) offered.use(await offer(of, ids));
  await node.apply(manifests);
  await node.waitForPod("default", pod.metadata.name);
  expect(plugins.calls(pod.metadata.name, "ADD").map((call) => call.stdin)).toEqual(
    stdin.map((received) => asExpected(received)),
  );
  const [, ...statuses] = await node.waitForNetworkStatus("default", pod.metadata.name);
  const ids = Object.values(devices).flat();
  expect(statuses.map((status) => status["device-info"])).toEqual(
    ids.length === 0 ? [undefined] : ids.map((id) => information(id)),
  );
  await deletePod(pod.metadata.name);
});

describe("devices of several containers and resources", () => {
  const containers: readonly DeviceContainer[] = [
    { name: "proxy", kind: "sidecar", devices: { [resource]: 1 } },
    { name: "b-app", devices: { [resource]: 2, [infiniband]: 1 } },
    { name: "a-app", devices: { [resource]: 1 } },
  ];

  test("containers in the pod's order, ids sorted within each, one after the other for networks that share a resource", async () => {
    await runPod("several", "fast, infiniband, faster, fast, faster@last0", { nodeName, containers });
    expect(attached("several")).toEqual([
      // The kubelet has given them out from the last one on.
      ["net1", "0000:65:00.6", "0000:65:00.6"],
      ["net2", "ib1", "ib1"],
      ["net3", "0000:65:00.4", "0000:65:00.4"],
      ["net4", "0000:65:00.5", "0000:65:00.5"],
      ["last0", "0000:65:00.3", "0000:65:00.3"],
    ]);
    await deletePod("several");
  });

  test("fewer devices than attachments: no plugin runs, and the pod's event says what is short", async () => {
    const annotations = { [networksAnnotation]: "fast, faster" };
    const one = [{ name: "main", devices: { [resource]: 1 } }];
    await node.apply(
      devicePodManifest({ namespace: "default", name: "short", nodeName, annotations, containers: one }),
    );
    const { note } = await node.waitForEvent("default", "short", "FailedCreatePodSandBox");
    // The pod's devices and its networks' demand, as separate numbers.
    for (const word of [resource, "default/short"]) expect(note).toContain(word);
    for (const count of [/(?<![\w.:/-])1(?![\w.:/-])/, /(?<![\w.:/-])2(?![\w.:/-])/])
      expect(note).toMatch(count);
    expect(plugins.calls("short", "ADD")).toEqual([]);
    await node.deletePods("default", "short");
  });

  test("a kubelet that is restarted between two pods, and the device plugin with it", async () => {
    const one = [{ name: "main", devices: { [resource]: 1 } }];
    await runPod("before", "fast", { nodeName, containers: one });
    await restartKubelet();
    await runPod("after", "fast", { nodeName, containers: one });
    expect([attached("before"), attached("after")]).toEqual([
      [["net1", "0000:65:00.6", "0000:65:00.6"]],
      [["net1", "0000:65:00.5", "0000:65:00.5"]],
    ]);
    await deletePod("before");
    await deletePod("after");
  });

  test("without the kubelet's socket the checkpoint says which devices a pod has", async () => {
    rmSync(node.podResourcesSocket);
    try {
      await runPod("by-checkpoint", "fast, infiniband, faster", {
        nodeName,
        containers: [{ name: "main", devices: { [resource]: 2, [infiniband]: 1 } }],
      });
      expect(attached("by-checkpoint")).toEqual([
        ["net1", "0000:65:00.5", "0000:65:00.5"],
        ["net2", "ib1", "ib1"],
        ["net3", "0000:65:00.6", "0000:65:00.6"],
      ]);
      await deletePod("by-checkpoint");
    } finally {
      await restartKubelet();
    }
  });

  test("a device plugin that is gone by the time of the DEL", async () => {
    await runPod("outlives", "fast", {
      nodeName,
      containers: [{ name: "main", devices: { [resource]: 1 } }],
    });
    using client = new PodResourcesClient(node.podResourcesSocket);
    const told = devicesOf(await client.list(), "outlives", resource);
    expect(told).toHaveLength(1);
    expect(attached("outlives")).toEqual(told.map((id) => ["net1", id, id]));
    vf.stop();
    await node.untilAllocatable(resource, 0);
    await deletePod("outlives");
    await vf.register();
    await node.untilAllocatable(resource, functions.length);
  });
});

test("sixteen pods with four functions each at once: no device is given twice, and each pod's are those that the kubelet tells", async () => {
  const many = "vendor.example/many";
  const ids = Array.from({ length: 64 }, (_, index) => {
    const [device, fn] = [Math.floor(index / 8), index % 8];
    return `0000:81:${device.toString(16).padStart(2, "0")}.${fn}`;
  });
  using _plugin = await offer(many, ids);
  using client = new PodResourcesClient(node.podResourcesSocket);
  await applyDeviceNetwork("many", many);
  const names = Array.from({ length: 16 }, (_, index) => `pod-${index}`);
  const annotations = { [networksAnnotation]: "many, many@second0, many, many" };
  const containers: readonly DeviceContainer[] = [
    { name: "b-app", devices: { [many]: 3 } },
    { name: "a-app", devices: { [many]: 1 } },
  ];
  const pod = { namespace: "default", nodeName, annotations, containers };
  await node.apply(documents(names.map((name) => `${devicePodManifest({ ...pod, name })}\n`)));
  await node.waitForPods("default", names);
  // One question for all of them: the kubelet refuses many at once.
  const listed = await client.list();
  const told = names.map((name) => devicesOf(listed, name, many));
  const interfaces = ["net1", "second0", "net3", "net4"];
  expect(names.map((name) => attached(name))).toEqual(
    told.map((given) => given.map((id, index) => [interfaces[index], id, id])),
  );
  expect(told.flat().sort()).toEqual(ids.toSorted());
  await node.deletePods("default", ...names);
});

test("DRA: a claim of two functions and a GPU, one of a template, and one for an extended resource", async () => {
  const { api, kubeletRoot } = node;
  const namespaced = `${resourceApi}/namespaces/default`;
  await using drivers = new AsyncDisposableStack();
  const driver = async (name: string, devices: readonly DraDevice[]) =>
    drivers.use(await DraDriver.start({ api, kubeletRoot, nodeName, name }, devices));
  const addresses = ["0000:3b:00.2", "0000:3b:00.3", "0000:3b:00.4", "0000:3b:00.5"];
  const sriov = await driver(
    "sriov.test",
    addresses.map((id, index) => ({
      name: `vf-${index}`,
      attributes: { "k8s.cni.cncf.io/deviceID": id, "k8s.cni.cncf.io/resourceName": claimed },
    })),
  );
  const gpu = await driver("gpu.test", [{ name: "gpu-0", attributes: { "gpu.test/model": "big" } }]);
  for (const [name, of, extendedResourceName] of [
    ["function", sriov, claimed],
    ["gpu", gpu, undefined],
  ] as const) {
    const selectors = [{ cel: { expression: `device.driver == "${of.name}"` } }];
    await api.request("POST", `${resourceApi}/deviceclasses`, {
      metadata: { name },
      spec: { selectors, extendedResourceName },
    });
  }
  const request = (deviceClassName: string, count: number) => ({
    name: deviceClassName,
    exactly: { deviceClassName, allocationMode: "ExactCount", count },
  });
  await api.request("POST", `${namespaced}/resourceclaims`, {
    metadata: { name: "shared" },
    spec: { devices: { requests: [request("gpu", 1), request("function", 2)] } },
  });
  await api.request("POST", `${namespaced}/resourceclaimtemplates`, {
    metadata: { name: "one" },
    spec: { spec: { devices: { requests: [request("function", 1)] } } },
  });
  // The kubelet needs the drivers to let a pod with claims go, also where this test fails.
  drivers.defer(deleteAllPods);
  await runPod("claims", "by-claim, by-claim, by-claim", {
    resourceClaims: [
      { name: "two", resourceClaimName: "shared" },
      { name: "own", resourceClaimTemplateName: "one" },
    ],
    containers: [
      { name: "first", claims: ["two"] },
      { name: "second", claims: ["own"] },
    ],
  });
  await runPod("extended", "by-claim", { containers: [{ name: "main", devices: { [claimed]: 1 } }] });
  const given = [...attached("claims"), ...attached("extended")];
  expect(given.map(([ifName]) => ifName)).toEqual(["net1", "net2", "net3", "net1"]);
  expect(given.map(([, id]) => id)).toEqual(addresses);
  await deletePod("claims");
  await deletePod("extended");
  expect([sriov.prepared, gpu.prepared]).toEqual([[], []]);
});
