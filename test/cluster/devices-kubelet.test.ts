/**
 * The devices of pods on a real node, before multus comes in: what device plugins and DRA drivers offer, what scheduler and kubelet hand out, and how the kubelet, its
 * checkpoint and the API tell of it. The project's readers rest on this.
 */

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Controllers } from "../support/cluster/controllers.ts";
import { checksumOf, readCheckpoint } from "../support/cluster/device-checkpoint.ts";
import { DevicePlugin } from "../support/cluster/device-plugin.ts";
import { type DraDevice, DraDriver, type ResourceClaim } from "../support/cluster/dra-driver.ts";
import { importBusyboxImage } from "../support/cluster/images.ts";
import { type DeviceContainer, devicePodManifest } from "../support/cluster/manifests.ts";
import { ClusterNode, type ClusterPod, nodeName } from "../support/cluster/node.ts";
import { devicesByContainer, PodResourcesClient } from "../support/cluster/pod-resources.ts";
import { runCommand } from "../support/command.ts";
import { writeAttachedPod } from "../support/recorded-devices.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const resource = "vendor.example/vf";
const infiniband = "vendor.example/ib";
const claimed = "vendor.example/claimed-vf";
const resourceApi = "/apis/resource.k8s.io/v1";

/** Two NUMA nodes, and one device that belongs to both. */
const functions = [
  ...["0000:65:00.2", "0000:65:00.3", "0000:65:00.4"].map((id) => ({ id, numaNodes: [0] })),
  ...["0000:b3:00.2", "0000:b3:00.3"].map((id) => ({ id, numaNodes: [1] })),
  { id: "0000:d8:00.2", numaNodes: [0, 1] },
];
const ports = ["ib0", "ib1"].map((id) => ({ id }));

/** The last ids first: not the order that a kubelet or a reader would make of its own. */
const lastFirst = (available: readonly string[], size: number) =>
  [...available].sort().reverse().slice(0, size);

let node: ClusterNode;
let controllers: Controllers;
let client: PodResourcesClient;
let vf: DevicePlugin;
let ib: DevicePlugin;

beforeAll(async () => {
  node = await ClusterNode.start({ devices: true, containerd: "2.4", cniVersion: "1.1.0" });
  await importBusyboxImage(node);
  controllers = await Controllers.start(node.api);
  client = new PodResourcesClient(node.podResourcesSocket);
  vf = await DevicePlugin.start(node.devicePluginDirectory, resource, functions, { prefer: lastFirst });
  ib = await DevicePlugin.start(node.devicePluginDirectory, infiniband, ports);
  await node.untilAllocatable(resource, functions.length);
  await node.untilAllocatable(infiniband, ports.length);
});

afterAll(async () => {
  vf?.[Symbol.dispose]();
  ib?.[Symbol.dispose]();
  client?.[Symbol.dispose]();
  await controllers?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

/** Creates a pod of this node, past the scheduler. */
async function applyPod(name: string, containers: readonly DeviceContainer[]): Promise<void> {
  await node.apply(devicePodManifest({ namespace: "default", name, nodeName, containers }));
}

/** Devices by container, as the kubelet tells them of one pod. */
async function devicesOf(name: string) {
  return devicesByContainer((await client.get("default", name)).containers);
}

function checkpoint() {
  return readCheckpoint(join(node.devicePluginDirectory, "kubelet_internal_checkpoint"));
}

interface ListedDevices {
  readonly ok: boolean;
  readonly source: { readonly kind: string };
  readonly devices: readonly {
    readonly resource: string;
    readonly device: string;
    readonly pod: string;
    readonly containers: readonly string[];
    readonly claim: { readonly driver: string; readonly device: string } | null;
    readonly attachments: readonly { readonly containerId: string }[];
    readonly state: string;
  }[];
  readonly resources: readonly object[];
}

/** The node's devices as multusctl devices lists them. */
async function listedDevices(
  cniDir: ScratchDirectory,
  ...further: readonly string[]
): Promise<ListedDevices> {
  const { stdout } = await runCommand([
    process.execPath,
    join(import.meta.dirname, "..", "..", "build", "multusctl.mjs"),
    ...["devices", "--json", "--pod-resources-socket", node.podResourcesSocket],
    ...["--device-plugins-dir", node.devicePluginDirectory],
    ...["--cni-dir", cniDir.path, "--device-info-dir", join(cniDir.path, "devinfo")],
    ...further,
  ]);
  return JSON.parse(stdout.toString());
}

test("two resources in several containers: sidecars and containers in the pod's order, each device once for each of its NUMA nodes", async () => {
  const handedOut = vf.allocated.length;
  await applyPod("web", [
    { name: "proxy", kind: "sidecar", devices: { [resource]: 1 } },
    { name: "b-app", devices: { [resource]: 2, [infiniband]: 1 } },
    { name: "a-app", devices: { [resource]: 1 } },
  ]);
  const { metadata } = await node.waitForPod("default", "web");
  const told = await client.get("default", "web");
  expect(devicesByContainer(told.containers)).toEqual([
    ["proxy", { [resource]: ["0000:d8:00.2"] }],
    [
      "b-app",
      { [infiniband]: [expect.stringMatching(/^ib[01]$/)], [resource]: ["0000:b3:00.2", "0000:b3:00.3"] },
    ],
    ["a-app", { [resource]: ["0000:65:00.4"] }],
  ]);
  expect(vf.allocated.slice(handedOut)).toEqual([
    ["0000:d8:00.2"],
    // The plugin's order of preference is not kept.
    expect.toSatisfy((ids: string[]) => ids.toSorted().join() === "0000:b3:00.2,0000:b3:00.3"),
    ["0000:65:00.4"],
  ]);
  const devices = told.containers.flatMap((container) => container.devices);
  expect(devices.every(({ deviceIds }) => deviceIds.length === 1)).toBe(true);
  const nodesOf = (id: string) =>
    devices
      .filter(({ deviceIds }) => deviceIds[0] === id)
      .flatMap(({ topology }) => topology?.nodes.map(({ ID }) => String(ID)) ?? ["none"]);
  expect(nodesOf("0000:d8:00.2").sort()).toEqual(["0", "1"]);
  expect(nodesOf("0000:b3:00.2")).toEqual(["1"]);
  expect(
    nodesOf(devices.find(({ resourceName }) => resourceName === infiniband)?.deviceIds[0] ?? ""),
  ).toEqual(["none"]);

  const listed = (await client.list()).find(({ name }) => name === "web");
  expect(listed).toMatchObject({ namespace: "default", name: "web" });
  expect(devicesByContainer(listed?.containers ?? [])).toEqual(devicesByContainer(told.containers));

  const { Data, Checksum } = checkpoint();
  expect(checksumOf(Data)).toBe(Checksum);
  const registered = Object.entries(Data.RegisteredDevices).map(([of, ids]) => [of, ids.toSorted()]);
  expect(Object.fromEntries(registered)).toEqual({
    [resource]: functions.map(({ id }) => id),
    [infiniband]: ports.map(({ id }) => id),
  });
  const entries = Data.PodDeviceEntries?.filter(({ PodUID }) => PodUID === metadata.uid) ?? [];
  const entry = (container: string, of: string) =>
    entries.filter(({ ContainerName, ResourceName }) => ContainerName === container && ResourceName === of);
  expect(entries).toHaveLength(4);
  expect(entry("proxy", resource)).toMatchObject([
    { DeviceIDs: { 0: ["0000:d8:00.2"], 1: ["0000:d8:00.2"] } },
  ]);
  expect(entry("a-app", resource)).toMatchObject([{ DeviceIDs: { 0: ["0000:65:00.4"] } }]);
  expect(entry("b-app", infiniband)).toMatchObject([{ DeviceIDs: { "-1": [expect.any(String)] } }]);
});

test("multusctl devices: those of the kubelet, by its socket and by its checkpoint, with the attachments that have them", async () => {
  using cniDir = new ScratchDirectory("cni");
  const { metadata } = await node.waitForPod("default", "web");
  const attach = (containerId: string, name: string, uid: string, device: string) =>
    writeAttachedPod(cniDir, {
      containerId,
      pod: `default/${name}`,
      uid,
      networks: [{ name: "default/fast", ifName: "net1", resource, device }],
    });
  attach("c0ffee", "web", metadata.uid, "0000:d8:00.2");
  attach("deadbeef", "gone", "u-gone", "0000:65:00.2");
  const bySocket = await listedDevices(cniDir, "--no-cluster");
  const absent = join(cniDir.path, "absent");
  const byCheckpoint = await listedDevices(cniDir, "--no-cluster", "--pod-resources-socket", absent);
  expect([bySocket.source.kind, byCheckpoint.source.kind]).toEqual(["pod-resources", "checkpoint"]);
  for (const { ok, devices, resources } of [bySocket, byCheckpoint]) {
    expect(ok).toBe(true);
    expect(
      devices.map(({ device, containers, attachments, state }) => [
        device.replace(/^ib\d$/, "ib"),
        containers,
        attachments.map(({ containerId }) => containerId),
        state,
      ]),
    ).toEqual([
      ["ib", ["b-app"], [], "unused"],
      ["0000:65:00.2", [], ["deadbeef"], "stale"],
      ["0000:65:00.4", ["a-app"], [], "unused"],
      ["0000:b3:00.2", ["b-app"], [], "unused"],
      ["0000:b3:00.3", ["b-app"], [], "unused"],
      ["0000:d8:00.2", ["proxy"], ["c0ffee"], "used"],
    ]);
    expect(devices.find(({ state }) => state === "used")?.pod).toBe("default/web");
    expect(resources).toEqual([
      { resource: infiniband, allocatable: 2, assigned: 1, used: 0, unused: 1, free: [expect.any(String)] },
      {
        resource,
        allocatable: 6,
        assigned: 4,
        used: 1,
        unused: 3,
        free: ["0000:65:00.2", "0000:65:00.3"],
      },
    ]);
  }
});

test("a plain init container: its devices are in the checkpoint and go to the next container; the kubelet tells that one alone", async () => {
  await applyPod("with-init", [
    { name: "setup", kind: "init", devices: { [resource]: 1 } },
    { name: "app", devices: { [resource]: 1 } },
  ]);
  const { metadata } = await node.waitForPod("default", "with-init");
  const [[name, devices] = ["", {}], ...others] = await devicesOf("with-init");
  expect([name, others]).toEqual(["app", []]);
  const entries = checkpoint().Data.PodDeviceEntries ?? [];
  const ofPod = entries.filter(({ PodUID }) => PodUID === metadata.uid);
  expect(ofPod.map(({ ContainerName }) => ContainerName).sort()).toEqual(["app", "setup"]);
  expect(ofPod.map(({ DeviceIDs }) => Object.values(DeviceIDs).flat())).toEqual([
    devices[resource],
    devices[resource],
  ]);
  await node.deletePods("default", "with-init");
});

test("a pod that the kubelet has not: Get fails and names it", async () => {
  await expect(client.get("default", "nobody")).rejects.toMatchObject({
    code: 2,
    details: "pod nobody in namespace default not found",
  });
});

test("more than a hundred questions a second: the kubelet refuses some, with a code of their own", async () => {
  const asked = Array.from({ length: 300 }, () => client.get("default", "web"));
  const outcomes = await Promise.allSettled(asked);
  const refusals = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  expect(refusals.length).toBeGreaterThan(0);
  expect(refusals.length).toBeLessThan(asked.length);
  for (const { code, details } of refusals) expect([code, details]).toEqual([8, "rejected by rate limit"]);
});

test("a kubelet that is restarted: running pods keep their devices, new ones are refused until the plugin registers again", async () => {
  const before = await devicesOf("web");
  await node.restartKubelet();
  await node.until("the kubelet to know its pods again", () => devicesOf("web").catch(() => undefined));
  expect(await devicesOf("web")).toEqual(before);
  await applyPod("too-early", [{ name: "main", devices: { [resource]: 1 } }]);
  const failed = ({ status }: ClusterPod) => status.phase === "Failed";
  const refused = await node.waitForPod("default", "too-early", failed, "to be refused");
  expect(refused.status.reason).toBe("UnexpectedAdmissionError");
  await node.deletePods("default", "too-early");

  for (const plugin of [vf, ib]) await plugin.register();
  await node.untilAllocatable(resource, functions.length);
  await applyPod("later", [{ name: "main", devices: { [resource]: 1 } }]);
  await node.waitForPod("default", "later");
  const taken = (await devicesOf("web")).flatMap(([, devices]) => devices[resource] ?? []);
  expect(await devicesOf("web")).toEqual(before);
  expect(await devicesOf("later")).toEqual([["main", { [resource]: [expect.any(String)] }]]);
  for (const [, devices] of await devicesOf("later")) expect(taken).not.toContain(devices[resource]?.[0]);
  await node.deletePods("default", "later");
});

test("a plugin that goes away: its pods keep their devices, and the scheduler lets the next pod wait until it is back", async () => {
  const before = await devicesOf("web");
  vf.stop();
  await node.untilAllocatable(resource, 0);
  expect(await devicesOf("web")).toEqual(before);
  await node.apply(
    devicePodManifest({
      namespace: "default",
      name: "scheduled",
      containers: [{ name: "main", devices: { [resource]: 1 } }],
    }),
  );
  await node.waitForEvent("default", "scheduled", "FailedScheduling", ({ note }) => note.includes(resource));
  await vf.register();
  await node.waitForPod("default", "scheduled");
  expect(await devicesOf("scheduled")).toEqual([["main", { [resource]: [expect.any(String)] }]]);
  await node.deletePods("default", "scheduled", "web");
});

test("a device that is no longer healthy is not offered", async () => {
  const [first, ...others] = ports;
  ib.change([{ id: first?.id ?? "", isHealthy: false }, ...others]);
  await node.untilAllocatable(infiniband, others.length);
  ib.change(ports);
  await node.untilAllocatable(infiniband, ports.length);
});

test("DRA: a claim of two functions and a GPU, one of a template, and one for an extended resource", async () => {
  const { api, kubeletRoot } = node;
  const claims = `${resourceApi}/namespaces/default/resourceclaims`;
  const driver = (name: string, devices: readonly DraDevice[]) =>
    DraDriver.start({ api, kubeletRoot, nodeName, name }, devices);
  await using sriov = await driver(
    "sriov.test",
    ["0000:3b:00.2", "0000:3b:00.3", "0000:3b:00.4", "0000:3b:00.5"].map((id, index) => ({
      name: `vf-${index}`,
      attributes: { "k8s.cni.cncf.io/deviceID": id, "k8s.cni.cncf.io/resourceName": claimed },
    })),
  );
  await using gpu = await driver("gpu.test", [{ name: "gpu-0", attributes: { "gpu.test/model": "big" } }]);
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
  const request = (name: string, deviceClassName: string, count: number) => ({
    name,
    exactly: { deviceClassName, allocationMode: "ExactCount", count },
  });
  await api.request("POST", claims, {
    metadata: { name: "shared" },
    spec: { devices: { requests: [request("functions", "function", 2), request("gpu", "gpu", 1)] } },
  });
  await api.request("POST", `${resourceApi}/namespaces/default/resourceclaimtemplates`, {
    metadata: { name: "one" },
    spec: { spec: { devices: { requests: [request("function", "function", 1)] } } },
  });

  await node.apply(
    devicePodManifest({
      namespace: "default",
      name: "claims",
      resourceClaims: [
        { name: "two", resourceClaimName: "shared" },
        { name: "own", resourceClaimTemplateName: "one" },
      ],
      containers: [
        { name: "first", claims: ["two"] },
        { name: "second", claims: ["own"] },
      ],
    }),
  );
  const pod = await node.waitForPod("default", "claims");
  const [own, ...none] = pod.status.resourceClaimStatuses ?? [];
  // A claim that the pod names itself is in its specification alone.
  expect([own?.name, none]).toEqual(["own", []]);
  const made = own?.resourceClaimName ?? "";
  expect(sriov.prepared).toEqual([`default/${made}`, "default/shared"].sort());
  expect(gpu.prepared).toEqual(["default/shared"]);
  const { status } = await api.request<ResourceClaim>("GET", `${claims}/shared`);
  const results = status?.allocation?.devices.results ?? [];
  expect(results.map((result) => [result.request, result.driver, result.pool])).toEqual([
    ["functions", "sriov.test", nodeName],
    ["functions", "sriov.test", nodeName],
    ["gpu", "gpu.test", nodeName],
  ]);
  const { containers } = await client.get("default", "claims");
  const told = containers.map(({ name, dynamicResources }) => [
    name,
    dynamicResources.flatMap(({ claimName, claimResources }) =>
      claimResources.map(({ driverName, deviceName }) => `${claimName} ${driverName} ${deviceName}`).sort(),
    ),
  ]);
  expect(told).toEqual([
    ["first", results.map((result) => `shared ${result.driver} ${result.device}`).sort()],
    ["second", [expect.stringMatching(new RegExp(`^${made} sriov\\.test vf-\\d$`))]],
  ]);

  using cniDir = new ScratchDirectory("cni");
  const [used] = results.filter((result) => result.driver === "sriov.test");
  const idOf = (device: string) => `0000:3b:00.${Number(device.slice("vf-".length)) + 2}`;
  writeAttachedPod(cniDir, {
    containerId: "c0ffee",
    pod: "default/claims",
    networks: [{ name: "default/fast", ifName: "net1", resource: claimed, device: idOf(used?.device ?? "") }],
  });
  const named = await listedDevices(cniDir, "--kubeconfig", api.adminKubeconfig, "--node", nodeName);
  const ofClaims = named.devices.filter(({ claim }) => claim !== null);
  const stateOf = (driver: string, device: string) =>
    driver === "gpu.test" ? "other" : device === used?.device ? "used" : "unused";
  expect(ofClaims).toHaveLength(4);
  for (const { resource: of, device, pod: owner, claim, state } of ofClaims) {
    const { driver, device: name } = claim ?? { driver: "", device: "" };
    const names = driver === "gpu.test" ? ["", ""] : [claimed, idOf(name)];
    expect([of, device, owner, state]).toEqual([...names, "default/claims", stateOf(driver, name)]);
  }

  await node.apply(
    devicePodManifest({
      namespace: "default",
      name: "extended",
      containers: [{ name: "main", devices: { [claimed]: 1 } }],
    }),
  );
  const extended = await node.waitForPod("default", "extended");
  const { resourceClaimName = "", requestMappings } = extended.status.extendedResourceClaimStatus ?? {};
  expect(requestMappings).toEqual([
    { containerName: "main", resourceName: claimed, requestName: "container-0-request-0" },
  ]);
  expect(extended.status.resourceClaimStatuses).toBeUndefined();
  expect(sriov.prepared).toContain(`default/${resourceClaimName}`);
  // The kubelet tells it as a claim's device, not as one of a resource.
  expect((await client.get("default", "extended")).containers).toMatchObject([
    { name: "main", devices: [], dynamicResources: [{ claimName: resourceClaimName }] },
  ]);

  await node.deletePods("default", "claims", "extended");
  expect([sriov.prepared, gpu.prepared]).toEqual([[], []]);
  await api.request("DELETE", `${claims}/shared`);
  await node.until("the claims to be gone", async () => {
    const { items } = await api.request<{ readonly items: readonly ResourceClaim[] }>("GET", claims);
    return items.length === 0;
  });
});
