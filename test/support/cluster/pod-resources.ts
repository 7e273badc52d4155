/** Asks a kubelet which devices its pods have, as it tells them: a second reader beside the product's. */

import { join } from "node:path";
import { entryOf } from "../../../src/base/map-entry.ts";
import { GrpcClient, grpcService } from "../grpc-service.ts";

const service = grpcService(join(import.meta.dirname, "..", "pod-resources.proto"), "v1.PodResourcesLister");

/** One device of one NUMA node; a device of several nodes is there once for each. */
export interface ContainerDevices {
  readonly resourceName: string;
  readonly deviceIds: readonly string[];
  readonly topology: { readonly nodes: readonly { readonly ID: number }[] } | null;
}

/** A claim that a container has devices of. */
export interface DynamicResource {
  readonly claimName: string;
  readonly claimNamespace: string;
  readonly claimResources: readonly {
    readonly driverName: string;
    readonly poolName: string;
    readonly deviceName: string;
  }[];
}

export interface ContainerResources {
  readonly name: string;
  readonly devices: readonly ContainerDevices[];
  readonly dynamicResources: readonly DynamicResource[];
}

export interface PodResources {
  readonly name: string;
  readonly namespace: string;
  readonly containers: readonly ContainerResources[];
}

export class PodResourcesClient implements Disposable {
  readonly #client: GrpcClient;

  /** @param socket path, `ClusterNode.podResourcesSocket` */
  constructor(socket: string) {
    this.#client = new GrpcClient(service, socket);
  }

  /** All pods. @throws {Error} gRPC's */
  async list(): Promise<readonly PodResources[]> {
    const { podResources } = await this.#client.call<{ readonly podResources: readonly PodResources[] }>(
      "List",
      {},
      10_000,
    );
    return podResources;
  }

  /** One pod. @throws {Error} gRPC's: of code UNKNOWN where the kubelet has no such pod */
  async get(namespace: string, name: string): Promise<PodResources> {
    const { podResources } = await this.#client.call<{ readonly podResources: PodResources }>(
      "Get",
      { podName: name, podNamespace: namespace },
      10_000,
    );
    return podResources;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/**
 * A container's device ids by resource, each once, sorted: the kubelet tells them in an order that changes from call to call.
 * @param containers of an answer, in its order @returns per container its name and `resource` → ids
 */
export function devicesByContainer(
  containers: readonly ContainerResources[],
): readonly (readonly [string, Readonly<Record<string, readonly string[]>>])[] {
  return containers.map(({ name, devices }) => {
    const ids = new Map<string, Set<string>>();
    for (const { resourceName, deviceIds } of devices) {
      const known = entryOf(ids, resourceName, () => new Set());
      for (const id of deviceIds) known.add(id);
    }
    const sorted = [...ids]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([resource, all]) => [resource, [...all].sort()] as const);
    return [name, Object.fromEntries(sorted)] as const;
  });
}
