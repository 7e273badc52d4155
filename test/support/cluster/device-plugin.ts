/** A device plugin of the tests' own, in the test's process: a real kubelet hands out its devices, which are names alone. Tests set ids, NUMA nodes, health and order. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { GrpcClient, GrpcServer, grpcService } from "../grpc-service.ts";

const proto = join(import.meta.dirname, "device-plugin.proto");
const deviceService = grpcService(proto, "v1beta1.DevicePlugin");
const registrationService = grpcService(proto, "v1beta1.Registration");

/** A device as its plugin tells of it. */
export interface PluginDevice {
  /** At most 63 characters; of an SR-IOV function its PCI address. */
  readonly id: string;
  /** NUMA nodes that it belongs to; none: it is told without topology. */
  readonly numaNodes?: readonly number[];
  /** Default true. The kubelet hands out healthy devices alone. */
  readonly isHealthy?: boolean;
}

export interface DevicePluginOptions {
  /** Chooses the devices of a container out of those that are free; without it the kubelet chooses. */
  readonly prefer?: (available: readonly string[], size: number) => readonly string[];
}

interface ContainerPreference {
  readonly availableDeviceIDs: readonly string[];
  readonly allocationSize: number;
}

/** The kubelet's requests for the containers of a pod, one after the other or together. */
interface OfContainers<Request> {
  readonly containerRequests: readonly Request[];
}

export class DevicePlugin implements Disposable {
  readonly resource: string;
  readonly #directory: string;
  readonly #options: DevicePluginOptions;
  readonly #streams = new Set<ServerWritableStream<unknown, unknown>>();
  readonly #allocated: string[][] = [];
  #devices: readonly PluginDevice[];
  #server: GrpcServer | undefined;

  private constructor(
    directory: string,
    resource: string,
    devices: readonly PluginDevice[],
    options: DevicePluginOptions,
  ) {
    this.#directory = directory;
    this.resource = resource;
    this.#devices = devices;
    this.#options = options;
  }

  /**
   * Serves devices and registers with the kubelet.
   * @param directory the kubelet's for device plugins, `ClusterNode.devicePluginDirectory`
   * @param resource `vendor.example/name`
   * @throws {Error} where the kubelet refuses it
   */
  static async start(
    directory: string,
    resource: string,
    devices: readonly PluginDevice[],
    options: DevicePluginOptions = {},
  ): Promise<DevicePlugin> {
    const plugin = new DevicePlugin(directory, resource, devices, options);
    await plugin.register();
    return plugin;
  }

  /** Devices that the kubelet asked for: the ids of each container, in the order of the calls. */
  get allocated(): readonly (readonly string[])[] {
    return this.#allocated;
  }

  get #endpoint(): string {
    return `${this.resource.replaceAll("/", "_")}.sock`;
  }

  /** Serves and registers, once more after a restart of the kubelet, which removes the sockets of all plugins. @throws {Error} where the kubelet refuses it */
  async register(): Promise<void> {
    this.stop();
    const socket = join(this.#directory, this.#endpoint);
    rmSync(socket, { force: true });
    this.#server = await GrpcServer.listen(socket, [[deviceService, this.#implementation()]]);
    const kubelet = new GrpcClient(registrationService, join(this.#directory, "kubelet.sock"));
    try {
      await kubelet.call("Register", {
        version: "v1beta1",
        endpoint: this.#endpoint,
        resourceName: this.resource,
        options: this.#pluginOptions(),
      });
    } finally {
      kubelet.close();
    }
  }

  /** Tells the kubelet of other devices, or of another state of theirs. */
  change(devices: readonly PluginDevice[]): void {
    this.#devices = devices;
    for (const stream of this.#streams) stream.write(this.#list());
  }

  /** Ends as a plugin that crashes does. Pods keep their devices; the kubelet hands out no further ones. */
  stop(): void {
    this.#server?.[Symbol.dispose]();
    this.#server = undefined;
    this.#streams.clear();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #pluginOptions(): unknown {
    return { preStartRequired: false, getPreferredAllocationAvailable: this.#options.prefer !== undefined };
  }

  #list(): unknown {
    return {
      devices: this.#devices.map(({ id, numaNodes = [], isHealthy = true }) => ({
        ID: id,
        health: isHealthy ? "Healthy" : "Unhealthy",
        ...(numaNodes.length === 0 ? {} : { topology: { nodes: numaNodes.map((ID) => ({ ID })) } }),
      })),
    };
  }

  #implementation() {
    return {
      getDevicePluginOptions: (_: unknown, answer: sendUnaryData<unknown>) => {
        answer(null, this.#pluginOptions());
      },
      listAndWatch: (stream: ServerWritableStream<unknown, unknown>) => {
        this.#streams.add(stream);
        stream.on("cancelled", () => this.#streams.delete(stream));
        stream.write(this.#list());
      },
      getPreferredAllocation: (
        { request }: ServerUnaryCall<OfContainers<ContainerPreference>, unknown>,
        answer: sendUnaryData<unknown>,
      ) => {
        const prefer = this.#options.prefer ?? ((available, size) => available.slice(0, size));
        answer(null, {
          containerResponses: request.containerRequests.map(({ availableDeviceIDs, allocationSize }) => ({
            deviceIDs: prefer(availableDeviceIDs, allocationSize),
          })),
        });
      },
      allocate: (
        { request }: ServerUnaryCall<OfContainers<{ readonly devicesIds: string[] }>, unknown>,
        answer: sendUnaryData<unknown>,
      ) => {
        this.#allocated.push(...request.containerRequests.map(({ devicesIds }) => devicesIds));
        // As the SR-IOV device plugin tells containers of their functions.
        const name = `PCIDEVICE_${this.resource.replaceAll(/[^A-Za-z0-9]/g, "_").toUpperCase()}`;
        answer(null, {
          containerResponses: request.containerRequests.map(({ devicesIds }) => ({
            envs: { [name]: devicesIds.join(",") },
          })),
        });
      },
    };
  }
}
