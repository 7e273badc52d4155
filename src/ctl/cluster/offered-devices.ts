/** Finds networks that want devices of a resource that no node of the cluster has. */

import { type JsonObject, objectAt, textOf } from "../../base/json.ts";
import type { Api } from "../../kube/api.ts";
import { bounded } from "../../log/quoted.ts";
import { resourceNameAnnotation } from "../../multus/plan/devices.ts";
import { type ClusterFinding, findingAbout } from "./finding.ts";
import { forEachObject, isForbidden, nodes } from "./objects.ts";

/** The resource that a definition wants devices of; "" for none. */
export function wantedResourceOf(definition: JsonObject): string {
  return textOf(objectAt(definition, "metadata", "annotations")[resourceNameAnnotation]);
}

/**
 * One finding for each of the definitions whose resource no node offers. None where the nodes may not be listed, or there are none.
 * @param wanted resources by the `namespace/name` of their definitions
 * @throws {ApiError} {@link ApiUnreachable} as the server answers
 */
export async function lackingDevices(
  api: Api,
  wanted: ReadonlyMap<string, string>,
): Promise<readonly ClusterFinding[]> {
  if (wanted.size === 0) return [];
  const offered = new Set<string>();
  let count = 0;
  try {
    await forEachObject(api, nodes, { namespace: undefined }, (node) => {
      count += 1;
      for (const [resource, quantity] of Object.entries(objectAt(node, "status", "allocatable"))) {
        if (quantity !== "0") offered.add(resource);
      }
    });
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  if (count === 0) return [];
  return [...wanted].flatMap(([key, resource]) => {
    if (offered.has(resource)) return [];
    const [namespace = "", name = ""] = key.split("/");
    const subject = { kind: "NetworkAttachmentDefinition", namespace, name } as const;
    const message = `no node has a device of resource ${bounded(resource)} now (status.allocatable of ${count}): pods get the network only with devices of a ResourceClaim`;
    return [findingAbout(subject, "warning", "device-not-offered", message)];
  });
}
