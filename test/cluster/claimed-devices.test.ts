/** Devices of ResourceClaims on a real API server: claims, slices and pods as it takes and selects them, in every version that it serves. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Api } from "../../src/kube/api.ts";
import { ApiClient } from "../../src/kube/api-client.ts";
import { ClaimedDevices } from "../../src/kube/claimed-devices.ts";
import { kubeconfigCredentials } from "../../src/kube/credentials.ts";
import { silentLogger } from "../../src/log/logger.ts";
import { ApiServer } from "../support/cluster/api-server.ts";

const group = "/apis/resource.k8s.io";
const slices = `${group}/v1/resourceslices`;
const claims = `${group}/v1/namespaces/devices/resourceclaims`;
const pods = "/api/v1/namespaces/devices/pods";
const driver = "sriov.example.com";
const sriov = "intel.com/sriov";

interface Created {
  readonly metadata: { readonly uid: string; readonly name: string };
}

/** The same server, of which a client believes that it has one version alone. */
function withVersionAlone(api: Api, version: string): Api {
  return {
    watch: (...call) => api.watch(...call),
    async request<Answer>(request: Parameters<Api["request"]>[0]): Promise<Answer> {
      const answer = await api.request<Answer>(request);
      return request.path === group ? ({ versions: [{ version }] } as Answer) : answer;
    },
  };
}

describe("a real API server", () => {
  let server: ApiServer;
  let api: ApiClient;

  beforeAll(async () => {
    server = await ApiServer.start({
      arguments: ["--runtime-config=resource.k8s.io/v1beta1=true,resource.k8s.io/v1beta2=true"],
    });
    await server.createNamespace("devices");
    api = new ApiClient(kubeconfigCredentials(server.adminKubeconfig, silentLogger));
  });

  afterAll(async () => {
    api?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const addSlice = (name: string, nodeName: string, devices: readonly object[], further: object = {}) =>
    server.request("POST", slices, {
      metadata: { name },
      spec: {
        driver,
        nodeName,
        pool: { name: nodeName, generation: 2, resourceSliceCount: 1 },
        devices,
        ...further,
      },
    });

  const nic = (name: string, deviceId: string) => ({
    name,
    attributes: {
      "k8s.cni.cncf.io/deviceID": { string: deviceId },
      "k8s.cni.cncf.io/resourceName": { string: sriov },
      speed: { int: 100 },
    },
  });

  /** A claim that its pod uses, allocated as a scheduler does it. */
  async function addClaim(name: string, pod: Created, devices: readonly string[]): Promise<void> {
    const claim = await server.request<Created & { status?: object }>("POST", claims, {
      metadata: { name },
      spec: {
        devices: {
          requests: devices.map((device) => ({ name: `r-${device}`, exactly: { deviceClassName: "nics" } })),
        },
      },
    });
    await server.request("PUT", `${claims}/${name}/status`, {
      ...claim,
      status: {
        allocation: {
          devices: {
            results: devices.map((device) => ({ request: `r-${device}`, driver, pool: "node-1", device })),
          },
        },
        reservedFor: [{ resource: "pods", name: pod.metadata.name, uid: pod.metadata.uid }],
      },
    });
  }

  const addPod = (name: string, spec: object) =>
    server.request<Created>("POST", pods, { metadata: { name }, spec: { nodeName: "node-1", ...spec } });

  const reference = ({ metadata: { name, uid } }: Created) => ({
    namespace: "devices",
    name,
    uid,
    sandboxId: "s",
  });

  test("selects a driver's slices on a node, and has the devices of claims in all its versions", async () => {
    await addSlice("here", "node-1", [
      nic("vf-1", "0000:03:02.1"),
      nic("vf-2", "0000:03:02.2"),
      { name: "gpu" },
    ]);
    await addSlice("elsewhere", "node-2", [nic("vf-1", "wrong")], {
      pool: { name: "node-1", generation: 9, resourceSliceCount: 1 },
    });
    await addSlice("other", "node-1", [nic("vf-1", "wrong")], { driver: "other.example.com" });
    const image = "none.example.com/none";
    const pod = await addPod("direct", {
      initContainers: [
        { name: "init", image },
        {
          name: "sidecar",
          image,
          restartPolicy: "Always",
          resources: { claims: [{ name: "nics", request: "r-vf-2" }] },
        },
      ],
      containers: [{ name: "app", image, resources: { claims: [{ name: "nics" }] } }],
      resourceClaims: [{ name: "nics", resourceClaimName: "direct-nics" }],
    });
    await addClaim("direct-nics", pod, ["vf-1", "gpu", "vf-2"]);
    for (const version of ["v1", "v1beta2", "v1beta1"]) {
      const claimed = new ClaimedDevices(withVersionAlone(api, version), silentLogger);
      expect(await claimed.devices(reference(pod)), version).toEqual([
        { container: "sidecar", resourceName: sriov, ids: ["0000:03:02.2"] },
        { container: "app", resourceName: sriov, ids: ["0000:03:02.1"] },
      ]);
      expect(await claimed.containers(reference(pod))).toEqual(["sidecar", "app"]);
    }
    expect(await new ClaimedDevices(api, silentLogger).devices(reference(pod))).toHaveLength(2);
  });

  test("has claims of templates and of extended resources in a pod's status", async () => {
    await addSlice("more", "node-1", [nic("vf-8", "8"), nic("vf-9", "9")], {
      pool: { name: "more", generation: 1, resourceSliceCount: 1 },
    });
    const pod = await addPod("of-status", {
      containers: [
        {
          name: "app",
          image: "none.example.com/none",
          resources: { claims: [{ name: "nics" }], limits: { [sriov]: "1" } },
        },
      ],
      resourceClaims: [{ name: "nics", resourceClaimTemplateName: "nics" }],
    });
    await addClaim("of-status-nics", pod, ["vf-1"]);
    await addClaim("of-status-extended", pod, ["vf-2"]);
    await server.request(
      "PATCH",
      `${pods}/of-status/status`,
      {
        status: {
          resourceClaimStatuses: [{ name: "nics", resourceClaimName: "of-status-nics" }],
          extendedResourceClaimStatus: {
            resourceClaimName: "of-status-extended",
            requestMappings: [{ containerName: "app", resourceName: sriov, requestName: "r-vf-2" }],
          },
        },
      },
      "application/merge-patch+json",
    );
    const claimed = new ClaimedDevices(api, silentLogger);
    expect(await claimed.devices(reference(pod))).toEqual([
      { container: "app", resourceName: sriov, ids: ["0000:03:02.1"] },
      { container: "app", resourceName: sriov, ids: ["0000:03:02.2"] },
    ]);
  });
});
