/** All devices of a node as a kubelet tells them over a real gRPC server, and the bounds on what it may say. */

import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { takeInventory } from "../../../src/devices/node-inventory.ts";
import { type PodOfKubelet, PodResourcesServer } from "../../support/pod-resources-server.ts";
import { recordedPath, recordedPods } from "../../support/recorded-devices.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const opened = new Set<() => unknown>();
afterEach(async () => {
  for (const end of [...opened].reverse()) await end();
  opened.clear();
});

async function kubelet(...pods: readonly PodOfKubelet[]) {
  const directory = new ScratchDirectory("inventory");
  opened.add(() => directory[Symbol.dispose]());
  const paths = {
    socket: join(directory.path, "kubelet.sock"),
    checkpoint: join(directory.path, "checkpoint"),
  };
  const server = await new PodResourcesServer(paths.socket).listen();
  opened.add(() => server[Symbol.asyncDispose]());
  server.pods = [...pods];
  return { server, paths };
}

it("a recorded list has each device of each container, once for each NUMA node", async () => {
  const { paths, server } = await kubelet(...recordedPods("list.json"));
  server.allocatable = [
    { resource_name: "a/b", device_ids: ["1", "2"] },
    { resource_name: "a/b", device_ids: ["2"] },
    { resource_name: "c/d", device_ids: [] },
  ];
  const { pods, allocatable, ...source } = await takeInventory(paths);
  expect(source).toEqual({ source: "pod-resources", path: paths.socket, socketProblem: "", problems: [] });
  expect(pods.map(({ namespace, name, uid }) => [namespace, name, uid])).toEqual([
    ["default", "web", ""],
    ["default", "with-init", ""],
  ]);
  expect(pods[0]?.devices?.slice(0, 3)).toEqual([
    { container: "proxy", resourceName: "vendor.example/vf", ids: ["0000:d8:00.2"] },
    { container: "proxy", resourceName: "vendor.example/vf", ids: ["0000:d8:00.2"] },
    { container: "b-app", resourceName: "vendor.example/vf", ids: ["0000:b3:00.3"] },
  ]);
  expect(allocatable).toEqual(
    new Map([
      ["a/b", new Set(["1", "2"])],
      ["c/d", new Set()],
    ]),
  );
});

it("recorded claims have driver, pool and device", async () => {
  const { paths } = await kubelet(...recordedPods("get-with-claims.json"));
  const { pods } = await takeInventory(paths);
  const claim = { container: "main", claimNamespace: "default", claimName: "two-and-gpu", pool: "node-1" };
  expect(pods[0]).toMatchObject({
    devices: [],
    claimed: [
      { ...claim, driver: "sriov.test", device: "vf-0" },
      { ...claim, driver: "sriov.test", device: "vf-1" },
      { ...claim, driver: "gpu.test", device: "gpu-0" },
      { ...claim, claimName: "claimed-own-crr2b", driver: "sriov.test", device: "vf-2" },
    ],
  });
});

it("a recorded checkpoint has devices by the pods' UIDs, those of init containers too", async () => {
  const { paths, server } = await kubelet();
  await server[Symbol.asyncDispose]();
  const { pods, allocatable } = await takeInventory({
    ...paths,
    checkpoint: recordedPath("kubelet_internal_checkpoint"),
  });
  expect(pods.map(({ uid, name, devices }) => [uid, name, devices?.length])).toEqual([
    ["9c3ab5e1-2d6b-4754-b0e4-031f8f7e084b", "", 4],
    ["886749f1-431a-4eb7-88b6-9d312638326d", "", 2],
  ]);
  expect(allocatable?.get("vendor.example/ib")).toEqual(new Set(["ib0", "ib1", "ib2"]));
});

const claims = (count: number) =>
  Array.from({ length: count }, () => ({ claim_name: "c", claim_resources: [{ device_name: "d" }] }));

it("a pod with too many devices of claims is left out, and named", async () => {
  const container = { name: "app", dynamic_resources: claims(2049) };
  const pod = { name: "web", namespace: "default", containers: [container, container] };
  const { paths } = await kubelet(pod, { ...pod, name: "other", containers: [container] });
  const { pods, problems } = await takeInventory(paths);
  expect(pods.map(({ name, devices, claimed }) => [name, devices, claimed.length])).toEqual([
    ["web", undefined, 0],
    ["other", [], 2049],
  ]);
  expect(problems).toEqual([
    expect.stringMatching(/kubelet\.sock: pod "default\/web" has more than 4096 devices of claims$/),
  ]);
});

it("a node with more devices than are allowed, each pod of which has as many as it may, is refused", async () => {
  const devices = Array.from({ length: 4096 }, () => ({ resource_name: "a/b", device_ids: [] }));
  const pods = Array.from({ length: 65 }, (_each, index) => ({
    name: `web-${index}`,
    namespace: "default",
    containers: [{ name: "app", devices }],
  }));
  const { paths, server } = await kubelet(...pods.slice(1));
  expect((await takeInventory(paths)).pods).toHaveLength(64);
  server.pods = pods;
  await expect(takeInventory(paths)).rejects.toThrow(
    /kubelet\.sock has more than 262144 devices; there is no checkpoint/,
  );
});

it.each([
  [
    "a device id that is too long",
    [{ resource_name: "a/b", device_ids: ["x".repeat(300)] }],
    /device id "x+…"/,
  ],
  [
    "too many resources",
    Array.from({ length: 4097 }, (_each, index) => ({ resource_name: `a/${index}`, device_ids: ["1"] })),
    /has more than 4096 resources/,
  ],
])(
  "an answer on what may be given with %s leaves that unknown, and the pods are there",
  async (_what, allocatable, problem) => {
    const { paths, server } = await kubelet(...recordedPods("list.json"));
    server.allocatable = allocatable;
    const inventory = await takeInventory(paths);
    expect(inventory).toMatchObject({ allocatable: undefined, problems: [expect.stringMatching(problem)] });
    expect(inventory.pods).toHaveLength(2);
  },
);
