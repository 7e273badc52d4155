/** Pods and ResourceClaims (resource.k8s.io/v1, v1beta2, v1beta1, which are alike in this), as far as a pod's devices are in them. */

import { InputError } from "../base/input-error.ts";
import { isJsonObject, type JsonObject, objectAt, textOf } from "../base/json.ts";
import { bounded } from "../log/quoted.ts";
import { configSourceAnnotation } from "../multus/cluster/pod-lookup.ts";

/** Claims of one pod, containers of one pod, devices of one claim: Kubernetes allows 32 devices in a claim. */
const mostItems = 1024;

/** A claim that a pod uses. */
export interface PodClaim {
  /** Of the object. */
  readonly claimName: string;
  /** Containers that use it, in the pod's order, with the request of the claim that they name; "": all of it. */
  readonly uses: readonly { readonly container: string; readonly request: string }[];
}

/** Devices of extended resources that the scheduler has made a claim for. */
interface ExtendedClaim {
  readonly claimName: string;
  readonly mappings: readonly {
    readonly container: string;
    readonly resourceName: string;
    readonly request: string;
  }[];
}

/** A pod as far as its devices depend on it. */
export interface ClaimPod {
  readonly uid: string;
  readonly isStatic: boolean;
  /** "" while it is not scheduled. */
  readonly nodeName: string;
  /** Restartable init containers, then containers: those whose devices the kubelet reports, in its order. */
  readonly containers: readonly string[];
  /** All init containers, then containers. */
  readonly allContainers: readonly string[];
  readonly claims: readonly PodClaim[];
  readonly extended: ExtendedClaim | undefined;
}

/** A device of a claim (DeviceRequestAllocationResult). */
export interface Allocation {
  readonly request: string;
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
  /** It is only looked at, and may be another pod's. */
  readonly isAdminAccess: boolean;
}

export interface KeptClaim {
  /** undefined: nothing is allocated. */
  readonly allocations: readonly Allocation[] | undefined;
  /** UIDs of the pods that may use it. */
  readonly reservedFor: ReadonlySet<string>;
}

/**
 * The part of a pod that is kept.
 * @param object anything: what is not as it should be counts as not there
 * @throws {InputError} where it has more containers or claims than are allowed
 */
export function keptClaimPod(object: unknown): ClaimPod {
  const { metadata, spec, status } = objectAt(object);
  const { uid, annotations } = objectAt(metadata);
  const { nodeName, initContainers, containers, resourceClaims } = objectAt(spec);
  const { resourceClaimStatuses, extendedResourceClaimStatus } = objectAt(status);
  const source = objectAt(annotations)[configSourceAnnotation];
  const init = objects(initContainers, "spec.initContainers");
  const main = objects(containers, "spec.containers");
  const restartable = init.filter(({ restartPolicy }) => restartPolicy === "Always");
  const made = new Map(
    objects(resourceClaimStatuses, "status.resourceClaimStatuses").map((each) => [
      textOf(each.name),
      textOf(each.resourceClaimName),
    ]),
  );
  const claims = objects(resourceClaims, "spec.resourceClaims").flatMap((each): PodClaim[] => {
    const name = textOf(each.name);
    // One that the pod names, or one that was made of a template.
    const claimName = textOf(each.resourceClaimName) || (made.get(name) ?? "");
    return claimName === "" ? [] : [{ claimName, uses: usesOf(name, [...init, ...main]) }];
  });
  return {
    uid: textOf(uid),
    isStatic: typeof source === "string" && source !== "api",
    nodeName: textOf(nodeName),
    containers: namesOf([...restartable, ...main]),
    allContainers: namesOf([...init, ...main]),
    claims,
    extended: extendedClaim(extendedResourceClaimStatus),
  };
}

function usesOf(claim: string, containers: readonly JsonObject[]): PodClaim["uses"] {
  return containers.flatMap(({ name, resources }) =>
    objects(objectAt(resources).claims, "resources.claims of a container")
      .filter((use) => use.name === claim)
      .map(({ request }) => ({ container: textOf(name), request: textOf(request) })),
  );
}

function extendedClaim(value: unknown): ExtendedClaim | undefined {
  const { resourceClaimName, requestMappings } = objectAt(value);
  const claimName = textOf(resourceClaimName);
  if (claimName === "") return undefined;
  const mappings = objects(requestMappings, "status.extendedResourceClaimStatus.requestMappings").map(
    (each) => ({
      container: textOf(each.containerName),
      resourceName: textOf(each.resourceName),
      request: textOf(each.requestName),
    }),
  );
  // A request without a name would be all of the claim.
  return {
    claimName,
    mappings: mappings.filter(({ request, resourceName }) => request !== "" && resourceName !== ""),
  };
}

/**
 * The part of a ResourceClaim that is kept.
 * @param object anything: what is not as it should be counts as not there
 * @throws {InputError} where it has more devices than are allowed
 */
export function keptClaim(object: unknown): KeptClaim {
  const { allocation, reservedFor } = objectAt(object, "status");
  const consumers = objects(reservedFor, "status.reservedFor").filter(({ resource }) => resource === "pods");
  return {
    allocations: isJsonObject(allocation)
      ? objects(objectAt(allocation, "devices").results, "status.allocation.devices.results").map(
          (result) => ({
            request: textOf(result.request),
            driver: textOf(result.driver),
            pool: textOf(result.pool),
            device: textOf(result.device),
            isAdminAccess: result.adminAccess === true,
          }),
        )
      : undefined,
    reservedFor: new Set(consumers.map(({ uid }) => textOf(uid))),
  };
}

function namesOf(containers: readonly JsonObject[]): string[] {
  return containers.map(({ name }) => textOf(name));
}

/** The objects of an array; none where it is no array. @throws {InputError} too many */
function objects(value: unknown, path: string): JsonObject[] {
  if (!Array.isArray(value)) return [];
  if (value.length > mostItems) {
    throw new InputError(
      "content",
      `${bounded(path)} has ${value.length} items, and at most ${mostItems} are allowed`,
    );
  }
  return value.filter(isJsonObject);
}
