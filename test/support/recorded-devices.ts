/** Answers of a real kubelet about its devices (test/fixtures/devices), and pods with devices in a cache directory. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PodResources } from "./cluster/pod-resources.ts";
import type { PodOfKubelet } from "./pod-resources-server.ts";
import type { ScratchDirectory } from "./scratch-directory.ts";

const directory = join(import.meta.dirname, "..", "fixtures", "devices");

export function recordedPath(file: string): string {
  return join(directory, file);
}

/** The recorded pods of a file, as a pod-resources server of the tests takes them. @param file `list.json`, or one pod */
export function recordedPods(file: string): PodOfKubelet[] {
  const recorded = JSON.parse(readFileSync(recordedPath(file), "utf8")) as PodResources | PodResources[];
  return [recorded].flat().map(({ name, namespace, containers }) => ({
    name,
    namespace,
    containers: containers.map((container) => ({
      name: container.name,
      devices: container.devices.map(({ resourceName, deviceIds, topology }) => ({
        resource_name: resourceName,
        device_ids: deviceIds,
        ...(topology && { topology }),
      })),
      dynamic_resources: container.dynamicResources.map((claim) => ({
        claim_name: claim.claimName,
        claim_namespace: claim.claimNamespace,
        claim_resources: claim.claimResources.map((each) => ({
          driver_name: each.driverName,
          pool_name: each.poolName,
          device_name: each.deviceName,
        })),
      })),
    })),
  }));
}

/** A pod that is attached to networks with devices. */
export interface PodWithDevices {
  readonly containerId: string;
  /** `namespace/name` */
  readonly pod: string;
  readonly uid?: string;
  readonly networks: readonly {
    /** `namespace/nad` */
    readonly name: string;
    readonly ifName: string;
    readonly resource?: string;
    readonly device: string;
  }[];
  /** `plan`: an ADD that is under way; `results`: its plan is gone. */
  readonly only?: "plan" | "results";
}

/** Writes the plan and the results of a pod as Go multus and libcni have them. */
export function writeAttachedPod(
  cniDir: Pick<ScratchDirectory, "write">,
  { containerId, pod, uid = "", networks, only }: PodWithDevices,
): void {
  const [namespace = "", name = ""] = pod.split("/");
  const entries = networks.map(({ name: nad, ifName, resource, device }) => {
    const networkName = nad.slice(nad.indexOf("/") + 1);
    const config = JSON.stringify({
      cniVersion: "1.0.0",
      name: networkName,
      type: "sriov",
      deviceID: device,
    });
    const bytes = Buffer.from(config).toString("base64");
    if (only !== "plan") {
      cniDir.write(
        `results/${networkName}-${containerId}-${ifName}`,
        JSON.stringify({
          kind: "cniCacheV1",
          containerId,
          config: bytes,
          ifName,
          networkName,
          netns: "/run/netns/absent",
          cniArgs: [
            ["K8S_POD_NAMESPACE", namespace],
            ["K8S_POD_NAME", name],
            ["K8S_POD_UID", uid],
          ],
          result: { cniVersion: "1.0.0", interfaces: [{ name: ifName, sandbox: "/run/netns/absent" }] },
        }),
      );
    }
    return {
      Conf: { cniVersion: "1.0.0", name: networkName, type: "sriov", ipam: {} },
      ConfList: {},
      Name: nad,
      ifnameRequest: ifName,
      IsFilterV4Gateway: false,
      IsFilterV6Gateway: false,
      deviceID: device,
      resourceName: resource,
      Bytes: bytes,
    };
  });
  if (only !== "results") cniDir.write(containerId, JSON.stringify(entries));
}
