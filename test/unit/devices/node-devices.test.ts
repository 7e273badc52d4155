/** Where the devices of a pod come from: the kubelet's socket, its checkpoint, claims in the cluster, and what is said where none of them knows. */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { cniErrorOf } from "../../../src/cni/errors.ts";
import { checkpointChecksum } from "../../../src/devices/checkpoint-checksum.ts";
import { NodeDevices } from "../../../src/devices/node-devices.ts";
import { ClaimedDevices } from "../../../src/kube/claimed-devices.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import type { DeviceWish } from "../../../src/multus/plan/devices.ts";
import { PodResourcesServer } from "../../support/pod-resources-server.ts";
import { podsPath } from "../../support/pretended-api-server.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { ServerWithClient } from "../kube/server-with-client.ts";

const opened = new Set<() => unknown>();
afterEach(async () => {
  for (const end of [...opened].reverse()) await end();
  opened.clear();
});

const pod = { namespace: "default", name: "web", uid: "u-1", sandboxId: "s" };
const sriov = "intel.com/sriov";
const wish = (network: string, resourceName = sriov, deviceId?: string): DeviceWish => ({
  network,
  resourceName,
  deviceId,
});

function node(log = silentLogger) {
  const directory = new ScratchDirectory("node-devices");
  opened.add(() => directory[Symbol.dispose]());
  const paths = {
    socket: join(directory.path, "kubelet.sock"),
    checkpoint: join(directory.path, "checkpoint"),
  };
  const devices = new NodeDevices(paths, log);
  opened.add(() => devices.close());
  return { directory, paths, devices };
}

async function kubeletAt(socket: string): Promise<PodResourcesServer> {
  const server = await new PodResourcesServer(socket).listen();
  opened.add(() => server[Symbol.asyncDispose]());
  return server;
}

async function cluster() {
  const at = await ServerWithClient.start();
  opened.add(() => at[Symbol.asyncDispose]());
  return { server: at.server, claims: new ClaimedDevices(at.api, silentLogger) };
}

/** The pod as an object, with these containers. */
const podObject = (...containers: object[]) => ({
  metadata: { name: "web", namespace: "default", uid: "u-1" },
  spec: { nodeName: "node-1", containers },
});

interface Entry {
  readonly container: string;
  readonly ids: Readonly<Record<string, readonly string[]>>;
  readonly podUid?: string;
}

/** A checkpoint of today's form with its checksum, as JSON. */
function checkpoint(
  entries: readonly Entry[],
  registered: Readonly<Record<string, readonly string[]>> = {},
): string {
  const content = {
    entries: entries.map(({ container, ids, podUid = "u-1" }) => ({
      podUid,
      container,
      resourceName: sriov,
      devices: {
        form: "nodes" as const,
        byNode: new Map(Object.entries(ids).map(([numaNode, each]) => [BigInt(numaNode), each])),
      },
      allocation: Buffer.from("x"),
    })),
    registered: new Map(Object.entries(registered)),
  };
  return JSON.stringify({
    Data: {
      PodDeviceEntries: entries.map(({ container, ids, podUid = "u-1" }) => ({
        PodUID: podUid,
        ContainerName: container,
        ResourceName: sriov,
        DeviceIDs: ids,
        AllocResp: "eA==",
      })),
      RegisteredDevices: registered,
    },
    Checksum: checkpointChecksum(content),
  });
}

async function failure(work: Promise<unknown>) {
  const outcome = await work.catch((error: unknown) => error);
  const known = cniErrorOf(outcome);
  if (known === undefined) throw new Error(`no CniError but ${String(outcome)}`);
  return known;
}

describe("with the kubelet's socket", () => {
  it("devices come from it, and no request is made to the cluster", async () => {
    const { paths, devices } = node();
    const server = await kubeletAt(paths.socket);
    const { server: api, claims } = await cluster();
    server.pods = [
      {
        name: "web",
        namespace: "default",
        containers: [
          { name: "b", devices: [{ resource_name: sriov, device_ids: ["9", "7"] }] },
          { name: "a", devices: [{ resource_name: sriov, device_ids: ["1"] }] },
        ],
      },
    ];
    expect(await devices.assign(pod, [wish("n1"), wish("n2"), wish("n3", sriov, "9")], claims)).toEqual([
      "7",
      "1",
      "9",
    ]);
    expect(server.calls).toEqual(["Get default/web"]);
    expect(api.asked).toEqual([]);
  });

  it("nothing is asked where no network wants a device", async () => {
    const { devices } = node();
    expect(await devices.assign(pod, [], undefined)).toEqual([]);
  });

  it("the devices of claims come after the kubelet's, where those are too few", async () => {
    const { paths, devices } = node();
    const server = await kubeletAt(paths.socket);
    server.pods = [
      {
        name: "web",
        namespace: "default",
        containers: [{ name: "a", devices: [{ resource_name: sriov, device_ids: ["9"] }] }],
      },
    ];
    const { server: api, claims } = await cluster();
    const group = "/apis/resource.k8s.io";
    api.fault = ({ path }) =>
      path === group
        ? (response) =>
            void response.setHeader("content-type", "application/json").end('{"versions":[{"version":"v1"}]}')
        : undefined;
    const object = podObject({ name: "a" });
    api.set(podsPath, {
      ...object,
      spec: { ...object.spec, resourceClaims: [{ name: "c", resourceClaimName: "c-1" }] },
    });
    api.set(`${group}/v1/resourceclaims`, {
      metadata: { name: "c-1", namespace: "default" },
      status: {
        reservedFor: [{ resource: "pods", name: "web", uid: "u-1" }],
        allocation: {
          devices: { results: [{ request: "r", driver: "d.example.com", pool: "p", device: "vf" }] },
        },
      },
    });
    api.set(`${group}/v1/resourceslices`, {
      metadata: { name: "s", namespace: "" },
      spec: {
        driver: "d.example.com",
        nodeName: "node-1",
        pool: { name: "p", generation: 1, resourceSliceCount: 1 },
        devices: [
          {
            name: "vf",
            attributes: {
              "k8s.cni.cncf.io/deviceID": { string: "1" },
              "k8s.cni.cncf.io/resourceName": { string: sriov },
            },
          },
        ],
      },
    });
    expect(await devices.assign(pod, [wish("n1"), wish("n2")], claims)).toEqual(["9", "1"]);
    expect(server.calls).toEqual(["Get default/web"]);
  });

  it("a resource that no device plugin of the node has needs no device; one that it has is a shortage", async () => {
    const { paths, devices } = node();
    const server = await kubeletAt(paths.socket);
    server.pods = [{ name: "web", namespace: "default", containers: [{ name: "a" }] }];
    server.allocatable = [{ resource_name: sriov, device_ids: ["1"] }];
    expect(
      await devices.assign(pod, [wish("default/br", "bridge.network.kubevirt.io/br1")], undefined),
    ).toEqual([undefined]);
    const error = await failure(devices.assign(pod, [wish("default/vf")], undefined));
    expect(error.code).toBe(7);
    expect(error.message).toBe(
      "resource intel.com/sriov: 1 wanted by networks of pod default/web (default/vf), and it has 0",
    );
  });

  it("a pod that it does not know yet, as just after its start, is to be tried again, and is no shortage", async () => {
    const { paths, devices } = node();
    const server = await kubeletAt(paths.socket);
    server.allocatable = [{ resource_name: sriov, device_ids: ["1"] }];
    expect(await failure(devices.assign(pod, [wish("default/vf")], undefined))).toMatchObject({
      code: 11,
      message: "the devices of pod default/web are not known: the kubelet has no such pod yet",
    });
  });

  it("that refuses, its checkpoint is not used, and the error comes after a moment of patience", async () => {
    const { directory, paths, devices } = node();
    directory.write("checkpoint", checkpoint([{ container: "a", ids: { "0": ["1"] } }]));
    directory.write("kubelet.sock", "no socket");
    const error = await failure(devices.assign(pod, [wish("n")], undefined));
    expect(error.code).toBe(11);
    expect(error.message).toContain(
      `the kubelet's pod-resources socket ${paths.socket} (Get): 14 UNAVAILABLE`,
    );
  });

  it("that appears later is used from then on", async () => {
    const { directory, paths, devices } = node();
    directory.write("checkpoint", checkpoint([{ container: "a", ids: { "0": ["1"] } }]));
    expect(await devices.assign(pod, [wish("n")], undefined)).toEqual(["1"]);
    const server = await kubeletAt(paths.socket);
    server.pods = [
      {
        name: "web",
        namespace: "default",
        containers: [{ name: "a", devices: [{ resource_name: sriov, device_ids: ["2"] }] }],
      },
    ];
    expect(await devices.assign(pod, [wish("n")], undefined)).toEqual(["2"]);
  });
});

describe("with the kubelet's checkpoint alone", () => {
  it("devices are those of the pod's UID, and the log says where they are from, once", async () => {
    const log = new RecordingLogger();
    const { directory, devices } = node(log);
    directory.write(
      "checkpoint",
      checkpoint([
        { container: "a", ids: { "0": ["5"] }, podUid: "u-2" },
        { container: "a", ids: { "1": ["4"], "0": ["9", "4"], "-1": ["3"] } },
      ]),
    );
    for (let turn = 0; turn < 2; turn++) {
      expect(await devices.assign(pod, [wish("n1"), wish("n2"), wish("n3")], undefined)).toEqual([
        "3",
        "4",
        "9",
      ]);
    }
    expect(log.errors).toEqual([
      "the kubelet's pod-resources socket is not there: devices are read from its checkpoint",
    ]);
  });

  it("the cluster tells the order of several containers; those of init containers are left out", async () => {
    const { directory, devices } = node();
    directory.write(
      "checkpoint",
      checkpoint([
        { container: "init", ids: { "0": ["0"] } },
        { container: "a", ids: { "0": ["1"] } },
        { container: "b", ids: { "0": ["2"] } },
      ]),
    );
    const { server, claims } = await cluster();
    server.set(podsPath, podObject({ name: "b" }, { name: "a" }));
    expect(await devices.assign(pod, [wish("n1"), wish("n2")], claims)).toEqual(["2", "1"]);
  });

  it("several containers whose order is not known are an error, and no guess", async () => {
    const { directory, devices } = node();
    directory.write(
      "checkpoint",
      checkpoint([
        { container: "a", ids: { "0": ["1"] } },
        { container: "b", ids: { "0": ["2"] } },
      ]),
    );
    const message =
      "several containers of pod default/web have devices, and the kubelet's checkpoint does not say their order: ";
    expect(await failure(devices.assign(pod, [wish("n1")], undefined))).toMatchObject({
      code: 11,
      message: `${message}there is no cluster to ask`,
    });
    const { claims } = await cluster();
    expect(await failure(devices.assign(pod, [wish("n1")], claims))).toMatchObject({
      code: 11,
      message: `${message}the cluster has no such pod`,
    });
  });

  it("a resource that is registered without devices for the pod is a shortage, another needs none", async () => {
    const { directory, devices } = node();
    directory.write("checkpoint", checkpoint([], { [sriov]: ["1"] }));
    expect((await failure(devices.assign(pod, [wish("n")], undefined))).message).toContain("1 wanted");
    expect(await devices.assign(pod, [wish("n", "bridge.example.com/br1")], undefined)).toEqual([undefined]);
  });

  it.each([
    ["torn", (text: string) => text.slice(0, -20), 6],
    ["damaged", (text: string) => text.replace('"1"', '"2"'), 7],
    ["of another form", (text: string) => text.replace("ContainerName", "Container"), 7],
  ])("that is %s, the error names the file, and no device is given", async (_what, damage, code) => {
    const { directory, paths, devices } = node();
    directory.write("checkpoint", damage(checkpoint([{ container: "a", ids: { "0": ["1"] } }])));
    const error = await failure(devices.assign(pod, [wish("n")], undefined));
    expect(error.code).toBe(code);
    expect(error.message).toContain(paths.checkpoint);
  });

  it("a request that does not say the pod's UID is an error", async () => {
    const { directory, devices } = node();
    directory.write("checkpoint", checkpoint([]));
    expect((await failure(devices.assign({ ...pod, uid: "" }, [wish("n")], undefined))).message).toContain(
      "has no K8S_POD_UID",
    );
  });
});

it("with neither, the error names both, and what the daemon needs", async () => {
  const { paths, devices } = node();
  const error = await failure(devices.assign(pod, [wish("n")], undefined));
  expect(error.code).toBe(11);
  expect(error.message).toBe(
    `the devices of pod default/web are not known: there is neither the kubelet's pod-resources socket ${paths.socket} nor its checkpoint ${paths.checkpoint}: the daemon's pod needs both directories mounted (deploy/, component devices)`,
  );
});

it("a request without a pod's name is an error that names network and resource", async () => {
  const { devices } = node();
  const error = await failure(devices.assign({ ...pod, name: "" }, [wish("default/vf")], undefined));
  expect(error.message).toBe(
    "network default/vf wants a device of intel.com/sriov, and CNI_ARGS does not say which pod the request is for",
  );
});

it("the code of gRPC is loaded when the socket is there and a device is wanted, and not before", () => {
  const { directory, paths } = node();
  directory.write("checkpoint", checkpoint([{ container: "a", ids: { "0": ["1"] } }]));
  const program = `
    import { writeFileSync } from "node:fs";
    import { NodeDevices } from ${JSON.stringify(join(import.meta.dirname, "../../../src/devices/node-devices.ts"))};
    import { silentLogger } from ${JSON.stringify(join(import.meta.dirname, "../../../src/log/logger.ts"))};
    const isLoaded = () => process.moduleLoadList.includes("NativeModule http2");
    const paths = ${JSON.stringify(paths)};
    const devices = new NodeDevices(paths, silentLogger);
    const pod = ${JSON.stringify(pod)};
    const seen = [isLoaded()];
    await devices.assign(pod, [], undefined);
    await devices.assign(pod, [{ network: "n", resourceName: ${JSON.stringify(sriov)} }], undefined);
    seen.push(isLoaded());
    writeFileSync(paths.socket, "no socket");
    await devices.assign(pod, [{ network: "n", resourceName: "a/b" }], undefined).catch(() => {});
    seen.push(isLoaded());
    process.stdout.write(JSON.stringify(seen));
    process.exit(0);
  `;
  const seen = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", program], {
    encoding: "utf8",
  });
  expect(JSON.parse(seen)).toEqual([false, false, true]);
});

it("a socket that breaks connections off is asked again until the next kubelet listens there", async () => {
  const { paths, devices } = node();
  const stale = createServer((connection) => connection.destroy()).listen(paths.socket);
  await once(stale, "listening");
  const answer = devices.assign(pod, [wish("n")], undefined);
  await once(stale, "connection");
  stale.close();
  await once(stale, "close");
  const server = await kubeletAt(paths.socket);
  server.pods = [
    {
      name: "web",
      namespace: "default",
      containers: [{ name: "a", devices: [{ resource_name: sriov, device_ids: ["2"] }] }],
    },
  ];
  expect(await answer).toEqual(["2"]);
});
