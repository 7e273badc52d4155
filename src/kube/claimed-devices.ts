/**
 * The devices that DRA drivers (resource.k8s.io) have allocated to a pod: from its ResourceClaims, and the attributes that the drivers publish of their devices in ResourceSlices. Loaded where a pod's
 * devices are not all the kubelet's.
 */

import { InputError } from "../base/input-error.ts";
import { objectAt, objectsIn } from "../base/json.ts";
import { entryOf } from "../base/map-entry.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { bounded } from "../log/quoted.ts";
import { type PodReference, podKey } from "../multus/input/pod.ts";
import { type ClaimSource, type ContainerDevices, DevicesUnknown } from "../multus/plan/devices.ts";
import { type Api, ApiError } from "./api.ts";
import {
  type Allocation,
  type ClaimPod,
  type KeptClaim,
  keptClaim,
  keptClaimPod,
  type PodClaim,
} from "./claim-objects.ts";
import { lacksRight } from "./forbidden.ts";
import { Lookup } from "./lookup.ts";
import { type DeviceName, deviceKey, type PublishedDevice, publishedDevices } from "./resource-slices.ts";
import { Turns } from "./turns.ts";

const group = "/apis/resource.k8s.io";
/** Versions whose objects are read, the best first. */
const knownVersions = ["v1", "v1beta2", "v1beta1"] as const;
export type ResourceVersion = (typeof knownVersions)[number];

/** For how long the server is believed to serve a version, in milliseconds: it may be upgraded meanwhile. */
const versionForMs = 60_000;
/** Bytes of an answer with one object: etcd takes 1.5 MiB. */
const longestAnswer = 4 << 20;
const lookupLimits = { atOnce: 6, ofGroup: 2, waitMs: 10_000 };
/** Said where the API forbids it. */
const rightsAdvice =
  "the daemon needs the rights to get resourceclaims and list resourceslices (deploy/, component devices)";

export class ClaimedDevices implements ClaimSource {
  readonly #api: Api;
  readonly #log: Logger;
  readonly #turns = new Turns(lookupLimits);
  readonly #pods: Lookup<ClaimPod>;
  readonly #claims = new Map<ResourceVersion, Lookup<KeptClaim>>();
  #version: { readonly asked: number; readonly answer: Promise<ResourceVersion | undefined> } | undefined;

  constructor(api: Api, log: Logger) {
    this.#api = api;
    this.#log = log;
    this.#pods = new Lookup({
      api,
      kind: "pod",
      path: (namespace, name) => `/api/v1/namespaces/${namespace}/pods/${name}`,
      maxBytes: longestAnswer,
      turns: this.#turns,
      mayBeUndefined: false,
      keep: keptClaimPod,
    });
  }

  async containers(pod: PodReference): Promise<readonly string[] | undefined> {
    return (await this.#pod(pod))?.containers;
  }

  async devices(pod: PodReference): Promise<readonly ContainerDevices[]> {
    const object = await this.#pod(pod);
    if (object === undefined) throw new DevicesUnknown(`the cluster has no pod ${podKey(pod)}`);
    const { claims, extended, nodeName } = object;
    if (claims.length === 0 && extended === undefined) return [];
    const version = await this.#servedVersion();
    if (version === undefined) {
      throw new DevicesUnknown(
        `pod ${podKey(pod)} has ResourceClaims, and the API server serves none of ${knownVersions.join(", ")} of resource.k8s.io`,
      );
    }
    const allocations = new Map<string, readonly Allocation[]>();
    for (const claimName of new Set(
      [...claims, ...(extended === undefined ? [] : [extended])].map((claim) => claim.claimName),
    )) {
      allocations.set(claimName, await this.#allocationsOf(pod, object, claimName, version));
    }
    const wanted = [...allocations.values()].flat().filter(({ isAdminAccess }) => !isAdminAccess);
    const published = await this.#published(pod.namespace, nodeName, version, wanted);
    const found: ContainerDevices[] = [];
    for (const claim of claims)
      found.push(...this.#ofClaim(claim, allocations.get(claim.claimName) ?? [], published));
    if (extended !== undefined) {
      found.push(...ofExtendedClaim(pod, extended, allocations.get(extended.claimName) ?? [], published));
    }
    return inContainerOrder(found, object.allContainers);
  }

  /**
   * The drivers' attributes of devices that a node has given to its pods, whichever pods those are.
   * @returns by deviceKey; one may be missing that is not the node's alone, and so is not for CNI
   * @throws {CniError} 11 where the API does not answer, or does not know DRA {@link InputError} where an object is not as it should be
   */
  async publishedOn(
    nodeName: string,
    devices: readonly DeviceName[],
  ): Promise<ReadonlyMap<string, PublishedDevice>> {
    const version = await this.#servedVersion();
    if (version === undefined) {
      throw new DevicesUnknown(
        `the API server serves none of ${knownVersions.join(", ")} of resource.k8s.io`,
      );
    }
    return await this.#published("", nodeName, version, devices);
  }

  /** @throws {DevicesUnknown} another pod has the name */
  async #pod(pod: PodReference): Promise<ClaimPod | undefined> {
    const object = await this.#pods.get(pod.namespace, pod.name, true);
    const isAnother = object !== undefined && pod.uid !== "" && object.uid !== pod.uid && !object.isStatic;
    if (!isAnother) return object;
    throw new DevicesUnknown(
      `pod ${podKey(pod)} of the cluster has UID ${object.uid}, and the runtime's has ${bounded(pod.uid)}`,
    );
  }

  /** The best version that the server serves; undefined: none. */
  #servedVersion(): Promise<ResourceVersion | undefined> {
    const now = performance.now();
    if (this.#version === undefined || now - this.#version.asked > versionForMs) {
      const answer = this.#askVersion();
      this.#version = { asked: now, answer };
      answer.catch(() => {
        this.#version = undefined;
      });
    }
    return this.#version.answer;
  }

  async #askVersion(): Promise<ResourceVersion | undefined> {
    let answer: unknown;
    try {
      answer = await this.#api.request({ method: "GET", path: group });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw new DevicesUnknown(`the versions of resource.k8s.io cannot be asked for: ${errorText(error)}`, {
        cause: error,
      });
    }
    const served = new Set(objectsIn(objectAt(answer).versions).map(({ version }) => version));
    return knownVersions.find((version) => served.has(version));
  }

  /** The devices of one claim of the pod. @throws {DevicesUnknown} it is not there, not allocated yet, or not reserved for the pod */
  async #allocationsOf(
    pod: PodReference,
    { uid }: ClaimPod,
    claimName: string,
    version: ResourceVersion,
  ): Promise<readonly Allocation[]> {
    const where = `ResourceClaim ${pod.namespace}/${bounded(claimName)}`;
    let claim: KeptClaim | undefined;
    try {
      claim = await this.#claimsOf(version).get(pod.namespace, claimName, true);
    } catch (error) {
      throw withRightsAdvice(error);
    }
    if (claim === undefined)
      throw new DevicesUnknown(`${where}, which pod ${podKey(pod)} uses, does not exist`);
    if (claim.allocations === undefined) throw new DevicesUnknown(`${where} is not allocated yet`);
    if (!claim.reservedFor.has(uid)) {
      throw new DevicesUnknown(`${where} is not reserved for pod ${podKey(pod)} (UID ${uid})`);
    }
    return claim.allocations;
  }

  #claimsOf(version: ResourceVersion): Lookup<KeptClaim> {
    return entryOf(
      this.#claims,
      version,
      () =>
        new Lookup({
          api: this.#api,
          kind: "ResourceClaim",
          path: (namespace, name) => `${group}/${version}/namespaces/${namespace}/resourceclaims/${name}`,
          maxBytes: longestAnswer,
          turns: this.#turns,
          mayBeUndefined: true,
          keep: keptClaim,
        }),
    );
  }

  /** The drivers' attributes of devices on a node. @param turnOf whose turns it takes */
  async #published(
    turnOf: string,
    nodeName: string,
    version: ResourceVersion,
    devices: readonly DeviceName[],
  ): Promise<ReadonlyMap<string, PublishedDevice>> {
    const byDriver = Map.groupBy(devices, ({ driver }) => driver);
    const published = new Map<string, PublishedDevice>();
    for (const [driver, wanted] of byDriver) {
      const path = `${group}/${version}/resourceslices`;
      try {
        const found = await this.#turns.run(turnOf, () =>
          publishedDevices({ api: this.#api, path, nodeName, driver, wanted }),
        );
        for (const [key, device] of found) published.set(key, device);
      } catch (error) {
        if (error instanceof InputError || error instanceof DevicesUnknown) throw error;
        const message = `ResourceSlices of driver ${bounded(driver)} on node ${nodeName} cannot be listed: ${errorText(error)}`;
        throw withRightsAdvice(new DevicesUnknown(message, { cause: error }));
      }
    }
    return published;
  }

  /** Devices that no attributes make one for CNI, such as a GPU, are passed over. */
  #ofClaim(
    { claimName, uses }: PodClaim,
    allocations: readonly Allocation[],
    published: ReadonlyMap<string, PublishedDevice>,
  ): ContainerDevices[] {
    return allocations.flatMap((allocation) => {
      const device = published.get(deviceKey(allocation));
      if (allocation.isAdminAccess || device?.deviceId === undefined || device.resourceName === undefined) {
        const { driver, pool, device: name, isAdminAccess } = allocation;
        this.#log.verbose("a device of a ResourceClaim is not for CNI", {
          claim: claimName,
          device: `${driver}/${pool}/${name}`,
          why: isAdminAccess
            ? "admin access"
            : "its driver publishes no deviceID and resourceName of k8s.cni.cncf.io",
        });
        return [];
      }
      const container = uses.find((use) => isOfRequest(allocation, use.request))?.container ?? "";
      return [{ container, resourceName: device.resourceName, ids: [device.deviceId] }];
    });
  }
}

/** Is the allocation one for the request that a container names? A request with alternatives has them behind a slash. @param request "": all of the claim */
function isOfRequest({ request: allocated }: Allocation, request: string): boolean {
  return request === "" || allocated === request || allocated.startsWith(`${request}/`);
}

/** The devices of extended resources that a driver serves (Kubernetes feature DRAExtendedResource): each has to be of the resource that the container asks for. @throws {InputError} */
function ofExtendedClaim(
  pod: PodReference,
  { claimName, mappings }: NonNullable<ClaimPod["extended"]>,
  allocations: readonly Allocation[],
  published: ReadonlyMap<string, PublishedDevice>,
): ContainerDevices[] {
  const where = `ResourceClaim ${pod.namespace}/${bounded(claimName)}`;
  return mappings.flatMap(({ container, resourceName, request }) => {
    const own = allocations.filter(
      (allocation) => !allocation.isAdminAccess && isOfRequest(allocation, request),
    );
    return own.flatMap((allocation) => {
      const device = published.get(deviceKey(allocation));
      // A GPU that is an extended resource: no network wants it.
      if (device?.deviceId === undefined || device.resourceName === undefined) return [];
      if (device.resourceName !== resourceName) {
        throw new InputError(
          "content",
          `${where}: device ${bounded(allocation.device)} of driver ${bounded(allocation.driver)} is of resource ${bounded(device.resourceName)}, and container ${bounded(container)} asks for ${bounded(resourceName)}`,
        );
      }
      return [{ container, resourceName, ids: [device.deviceId] }];
    });
  });
}

/** Devices that belong to no container come last. */
function inContainerOrder(
  devices: readonly ContainerDevices[],
  containers: readonly string[],
): ContainerDevices[] {
  const place = ({ container }: ContainerDevices) => {
    const index = containers.indexOf(container);
    return index < 0 ? containers.length : index;
  };
  return devices.toSorted((left, right) => place(left) - place(right));
}

function withRightsAdvice(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined;
  return lacksRight(cause)
    ? new DevicesUnknown(`${errorText(error)}; ${rightsAdvice}`, { cause: error })
    : error;
}
