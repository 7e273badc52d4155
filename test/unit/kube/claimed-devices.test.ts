/** Devices of ResourceClaims, as an API server has pods, claims and slices, in every version that is read. */

import { describe, expect, test } from "vitest";
import { cniErrorOf } from "../../../src/cni/errors.ts";
import { ClaimedDevices } from "../../../src/kube/claimed-devices.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import {
  type Fault,
  type KubeObject,
  podsPath,
  type SeenRequest,
} from "../../support/pretended-api-server.ts";
import { ServerWithClient } from "./server-with-client.ts";

const group = "/apis/resource.k8s.io";
const reference = { namespace: "default", name: "web", uid: "u-1", sandboxId: "s" };
const driver = "sriov.example.com";
const sriov = "intel.com/sriov";

const versionsOf =
  (...versions: string[]): Fault =>
  (response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ kind: "APIGroup", versions: versions.map((version) => ({ version })) }));
  };

/** A server that serves these versions. */
async function serving(...versions: string[]) {
  const at = await ServerWithClient.start();
  let further: (request: SeenRequest) => Fault | undefined = () => undefined;
  at.server.fault = (request) =>
    request.path === group && versions.length > 0 ? versionsOf(...versions) : further(request);
  return {
    at,
    claimed: new ClaimedDevices(at.api, silentLogger),
    setFault(fault: (request: SeenRequest) => Fault | undefined) {
      further = fault;
    },
    [Symbol.asyncDispose]: () => at[Symbol.asyncDispose](),
  };
}

interface PodParts {
  readonly spec?: object;
  readonly status?: object;
  readonly uid?: string;
  readonly annotations?: object;
}

function pod({ spec = {}, status = {}, uid = "u-1", annotations = {} }: PodParts = {}): KubeObject {
  return {
    metadata: { name: "web", namespace: "default", uid, annotations },
    spec: { nodeName: "node-1", containers: [{ name: "app" }], ...spec },
    status,
  };
}

/** A pod whose only container uses one claim. */
const podWithClaim = () =>
  pod({
    spec: {
      containers: [{ name: "app", resources: { claims: [{ name: "nics" }] } }],
      resourceClaims: [{ name: "nics", resourceClaimName: "claim-1" }],
    },
  });

const result = (device: string, further: object = {}) => ({
  request: "r",
  driver,
  pool: "node-1",
  device,
  ...further,
});

function claim(name: string, results: readonly object[] | undefined, uid = "u-1"): KubeObject {
  return {
    metadata: { name, namespace: "default" },
    status: {
      ...(results === undefined ? {} : { allocation: { devices: { results } } }),
      reservedFor: [{ resource: "pods", name: "web", uid }],
    },
  };
}

const attributesOf = (deviceId: string | undefined, resourceName: string | undefined) => ({
  "other.example.com/speed": { int: 7 },
  ...(deviceId === undefined ? {} : { "k8s.cni.cncf.io/deviceID": { string: deviceId } }),
  ...(resourceName === undefined ? {} : { "k8s.cni.cncf.io/resourceName": { string: resourceName } }),
});
const nic = (name: string, deviceId: string | undefined, resourceName: string | undefined = sriov) => ({
  name,
  attributes: attributesOf(deviceId, resourceName),
});

let slices = 0;
function slice(
  devices: readonly object[],
  parts: { pool?: object; driver?: string; nodeName?: string } = {},
): KubeObject {
  const { pool = {}, driver: name = driver, nodeName = "node-1" } = parts;
  return {
    metadata: { name: `slice-${slices++}`, namespace: "" },
    spec: {
      driver: name,
      nodeName,
      pool: { name: "node-1", generation: 1, resourceSliceCount: 1, ...pool },
      devices,
    },
  };
}

const app = (...ids: string[]) => ids.map((id) => ({ container: "app", resourceName: sriov, ids: [id] }));

async function failure(work: Promise<unknown>) {
  const outcome = await work.catch((error: unknown) => error);
  const known = cniErrorOf(outcome);
  if (known === undefined) throw new Error(`no CniError but ${String(outcome)}`);
  return known;
}

describe.concurrent("a pod's claims", () => {
  test("give the devices of a claim that the pod names; other drivers and nodes have no say", async () => {
    await using rig = await serving("v1");
    const { server } = rig.at;
    server.set(podsPath, podWithClaim());
    server.set(`${group}/v1/resourceclaims`, claim("claim-1", [result("vf-2"), result("vf-1")]));
    server.set(`${group}/v1/resourceslices`, slice([nic("vf-1", "wrong")], { driver: "other.example.com" }));
    server.set(`${group}/v1/resourceslices`, slice([nic("vf-1", "wrong")], { nodeName: "node-2" }));
    server.set(
      `${group}/v1/resourceslices`,
      slice([nic("vf-1", "0000:03:02.1"), nic("vf-2", "0000:03:02.2")]),
    );
    expect(await rig.claimed.devices(reference)).toEqual(app("0000:03:02.2", "0000:03:02.1"));
    expect(server.asked).toEqual([
      "GET /api/v1/namespaces/default/pods/web",
      "GET /apis/resource.k8s.io",
      "GET /apis/resource.k8s.io/v1/namespaces/default/resourceclaims/claim-1",
      "GET /apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dnode-1%2Cspec.driver%3Dsriov.example.com&limit=8",
    ]);
  });

  test("are read in v1beta1, whose devices have their attributes in `basic`", async () => {
    await using rig = await serving("v1beta1", "v1alpha3");
    const { server } = rig.at;
    server.set(podsPath, podWithClaim());
    server.set(`${group}/v1beta1/resourceclaims`, claim("claim-1", [result("vf-1")]));
    const { name, attributes } = nic("vf-1", "0000:03:02.1");
    server.set(`${group}/v1beta1/resourceslices`, slice([{ name, basic: { attributes } }]));
    expect(await rig.claimed.devices(reference)).toEqual(app("0000:03:02.1"));
  });

  test("are read in the best version that the server has", async () => {
    await using rig = await serving("v1beta1", "v1beta2");
    const { server } = rig.at;
    server.set(podsPath, podWithClaim());
    server.set(`${group}/v1beta2/resourceclaims`, claim("claim-1", [result("vf-1")]));
    server.set(`${group}/v1beta2/resourceslices`, slice([nic("vf-1", "a")]));
    expect(await rig.claimed.devices(reference)).toEqual(app("a"));
  });

  test("that were made of a template are found by the pod's status; containers come in the pod's order", async () => {
    await using rig = await serving("v1");
    const { server } = rig.at;
    const uses = (...claims: object[]) => ({ resources: { claims } });
    server.set(
      podsPath,
      pod({
        spec: {
          initContainers: [{ name: "init", ...uses({ name: "b" }) }],
          containers: [
            { name: "first", ...uses({ name: "a", request: "two" }) },
            { name: "second", ...uses({ name: "a", request: "one" }, { name: "a", request: "three" }) },
          ],
          resourceClaims: [
            { name: "a", resourceClaimTemplateName: "t" },
            { name: "b", resourceClaimTemplateName: "t" },
            { name: "none", resourceClaimTemplateName: "t" },
          ],
        },
        status: {
          resourceClaimStatuses: [
            { name: "b", resourceClaimName: "web-b" },
            { name: "a", resourceClaimName: "web-a" },
            { name: "none" },
          ],
        },
      }),
    );
    server.set(
      `${group}/v1/resourceclaims`,
      claim("web-a", [
        result("vf-1", { request: "one" }),
        result("vf-2", { request: "two/large" }),
        result("vf-3", { request: "three" }),
      ]),
    );
    server.set(`${group}/v1/resourceclaims`, claim("web-b", [result("vf-4")]));
    server.set(`${group}/v1/resourceslices`, slice(["1", "2", "3", "4"].map((id) => nic(`vf-${id}`, id))));
    expect(await rig.claimed.devices(reference)).toEqual([
      { container: "init", resourceName: sriov, ids: ["4"] },
      { container: "first", resourceName: sriov, ids: ["2"] },
      { container: "second", resourceName: sriov, ids: ["1"] },
      { container: "second", resourceName: sriov, ids: ["3"] },
    ]);
  });

  test("pass over what is not for CNI: a GPU, a device with one attribute, one of a driver without slices here, admin access", async () => {
    await using rig = await serving("v1");
    const { server } = rig.at;
    server.set(podsPath, podWithClaim());
    server.set(
      `${group}/v1/resourceclaims`,
      claim("claim-1", [
        result("gpu-0"),
        result("half", {}),
        result("far", { driver: "far.example.com" }),
        result("vf-2", { adminAccess: true }),
        result("vf-1"),
      ]),
    );
    server.set(
      `${group}/v1/resourceslices`,
      slice([
        nic("gpu-0", undefined, undefined),
        { name: "half", attributes: attributesOf("x", undefined) },
        nic("vf-1", "a"),
        nic("vf-2", "b"),
      ]),
    );
    expect(await rig.claimed.devices(reference)).toEqual(app("a"));
  });

  test("count in the newest generation of a pool, whichever page has it", async () => {
    await using rig = await serving("v1");
    const { server } = rig.at;
    server.set(podsPath, podWithClaim());
    server.set(`${group}/v1/resourceclaims`, claim("claim-1", [result("vf-1"), result("vf-2")]));
    for (let old = 0; old < 9; old++) {
      server.set(
        `${group}/v1/resourceslices`,
        slice([nic("vf-1", `old-${old}`)], { pool: { generation: 2, resourceSliceCount: 9 } }),
      );
    }
    server.set(
      `${group}/v1/resourceslices`,
      slice([nic("vf-1", "new-1")], { pool: { generation: 3, resourceSliceCount: 2 } }),
    );
    server.set(
      `${group}/v1/resourceslices`,
      slice([nic("vf-2", "new-2")], { pool: { generation: 3, resourceSliceCount: 2 } }),
    );
    server.set(`${group}/v1/resourceslices`, slice([nic("vf-1", "older")], { pool: { generation: 1 } }));
    expect(await rig.claimed.devices(reference)).toEqual(app("new-1", "new-2"));
  });

  test("wait for a pool that is not published completely", async () => {
    await using rig = await serving("v1");
    const { server } = rig.at;
    server.set(podsPath, podWithClaim());
    server.set(`${group}/v1/resourceclaims`, claim("claim-1", [result("vf-9")]));
    server.set(`${group}/v1/resourceslices`, slice([nic("vf-9", "old")], { pool: { generation: 1 } }));
    server.set(
      `${group}/v1/resourceslices`,
      slice([nic("vf-1", "a")], { pool: { generation: 2, resourceSliceCount: 2 } }),
    );
    const error = await failure(rig.claimed.devices(reference));
    expect(error.code).toBe(11);
    expect(error.message).toBe(
      "device vf-9 of driver sriov.example.com is allocated, and of its pool node-1 the cluster has 1 of 2 ResourceSlices for node node-1",
    );
  });

  test("need no request beyond the pod's where it has none", async () => {
    await using rig = await serving();
    rig.at.server.set(podsPath, pod());
    expect(await rig.claimed.devices(reference)).toEqual([]);
    expect(rig.at.server.asked).toHaveLength(1);
  });
});

describe.concurrent("extended resources of a driver", () => {
  const status = {
    extendedResourceClaimStatus: {
      resourceClaimName: "web-extended",
      requestMappings: [
        { containerName: "second", resourceName: "example.com/gpu", requestName: "container-1-request-0" },
        { containerName: "second", resourceName: sriov, requestName: "container-1-request-1" },
        { containerName: "first", resourceName: sriov, requestName: "container-0-request-0" },
      ],
    },
  };
  const extendedPod = () => pod({ spec: { containers: [{ name: "first" }, { name: "second" }] }, status });
  const results = [
    result("gpu-0", { request: "container-1-request-0" }),
    result("vf-2", { request: "container-1-request-1" }),
    result("vf-1", { request: "container-0-request-0" }),
  ];

  test("are the containers' that ask for them; a GPU among them is passed over", async () => {
    await using rig = await serving("v1");
    const { server } = rig.at;
    server.set(podsPath, extendedPod());
    server.set(`${group}/v1/resourceclaims`, claim("web-extended", results));
    server.set(
      `${group}/v1/resourceslices`,
      slice([nic("gpu-0", undefined, undefined), nic("vf-1", "1"), nic("vf-2", "2")]),
    );
    expect(await rig.claimed.devices(reference)).toEqual([
      { container: "first", resourceName: sriov, ids: ["1"] },
      { container: "second", resourceName: sriov, ids: ["2"] },
    ]);
  });

  test("of a device that its driver publishes for another resource are refused", async () => {
    await using rig = await serving("v1");
    const { server } = rig.at;
    server.set(podsPath, extendedPod());
    server.set(`${group}/v1/resourceclaims`, claim("web-extended", results));
    server.set(`${group}/v1/resourceslices`, slice([nic("vf-1", "1", "intel.com/other")]));
    const error = await failure(rig.claimed.devices(reference));
    expect(error.code).toBe(7);
    expect(error.message).toBe(
      "ResourceClaim default/web-extended: device vf-1 of driver sriov.example.com is of resource intel.com/other, and container first asks for intel.com/sriov",
    );
  });
});

describe.concurrent("what cannot be known is said", () => {
  test.each([
    [
      "the claim is not there",
      undefined,
      "ResourceClaim default/claim-1, which pod default/web uses, does not exist",
    ],
    [
      "it is not allocated",
      claim("claim-1", undefined),
      "ResourceClaim default/claim-1 is not allocated yet",
    ],
    [
      "it is reserved for another pod",
      claim("claim-1", [result("vf-1")], "u-2"),
      "ResourceClaim default/claim-1 is not reserved for pod default/web (UID u-1)",
    ],
  ])("where %s", async (_what, object, message) => {
    await using rig = await serving("v1");
    rig.at.server.set(podsPath, podWithClaim());
    if (object !== undefined) rig.at.server.set(`${group}/v1/resourceclaims`, object);
    const error = await failure(rig.claimed.devices(reference));
    expect(error).toMatchObject({ code: 11, message });
  });

  test("where the pod is gone, or another has its name", async () => {
    await using rig = await serving("v1");
    expect(await failure(rig.claimed.devices(reference))).toMatchObject({
      code: 11,
      message: "the cluster has no pod default/web",
    });
    rig.at.server.set(podsPath, pod({ uid: "u-9" }));
    expect(await failure(rig.claimed.devices(reference))).toMatchObject({
      code: 11,
      message: "pod default/web of the cluster has UID u-9, and the runtime's has u-1",
    });
  });

  test("where the server has no version that is read, also after another was asked for", async () => {
    await using rig = await serving("v1alpha3");
    rig.at.server.set(podsPath, podWithClaim());
    const message =
      "pod default/web has ResourceClaims, and the API server serves none of v1, v1beta2, v1beta1 of resource.k8s.io";
    expect(await failure(rig.claimed.devices(reference))).toMatchObject({ code: 11, message });
    await using none = await serving();
    none.at.server.set(podsPath, podWithClaim());
    expect(await failure(none.claimed.devices(reference))).toMatchObject({ code: 11, message });
  });

  test.each([
    ["resourceclaims", "get"],
    ["resourceslices", "list"],
  ])("where the role has no right to %s", async (resource, verb) => {
    await using rig = await serving("v1");
    rig.at.server.set(podsPath, podWithClaim());
    rig.at.server.set(`${group}/v1/resourceclaims`, claim("claim-1", [result("vf-1")]));
    rig.setFault(({ path }) =>
      path.includes(resource)
        ? { status: 403, message: `x is forbidden: User "u" cannot ${verb} resource "${resource}"` }
        : undefined,
    );
    const error = await failure(rig.claimed.devices(reference));
    expect(error.code).toBe(11);
    expect(error.message).toContain(
      `cannot ${verb} resource "${resource}"; the daemon needs the rights to get resourceclaims`,
    );
  });

  test("where a pod has more claims than are allowed", async () => {
    await using rig = await serving("v1");
    const resourceClaims = Array.from({ length: 1100 }, (_each, index) => ({
      name: `c${index}`,
      resourceClaimName: "x",
    }));
    rig.at.server.set(podsPath, pod({ spec: { resourceClaims } }));
    expect((await failure(rig.claimed.devices(reference))).message).toContain(
      "spec.resourceClaims has 1100 items, and at most 1024",
    );
  });
});

test("the order of containers is the kubelet's: restartable init containers, then containers", async () => {
  await using rig = await serving("v1");
  rig.at.server.set(
    podsPath,
    pod({
      spec: {
        initContainers: [{ name: "init" }, { name: "sidecar", restartPolicy: "Always" }, { name: "late" }],
        containers: [{ name: "b" }, { name: "a" }],
      },
    }),
  );
  expect(await rig.claimed.containers(reference)).toEqual(["sidecar", "b", "a"]);
  expect(await rig.claimed.containers({ ...reference, name: "other" })).toBeUndefined();
});

test("a static pod's mirror has another UID", async () => {
  await using rig = await serving("v1");
  rig.at.server.set(podsPath, pod({ uid: "mirror", annotations: { "kubernetes.io/config.source": "file" } }));
  expect(await rig.claimed.containers(reference)).toEqual(["app"]);
});
