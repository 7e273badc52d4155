/** A rig on a node with devices: a kubelet's pod-resources socket, which a real gRPC server serves, and a directory of device information. */

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DeviceInfoDirectory } from "../../../src/devices/device-info.ts";
import { NodeDevices } from "../../../src/devices/node-devices.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { resourceNameAnnotation } from "../../../src/multus/plan/devices.ts";
import type { MultusOptions } from "../../../src/multus/services.ts";
import { PodResourcesServer } from "../../support/pod-resources-server.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { Rig } from "./rig.ts";

export const sriov = "intel.com/sriov";

/** Devices of one container, by resource. */
type Devices = Readonly<Record<string, readonly string[]>>;

export class NodeWithDevices implements AsyncDisposable {
  readonly cluster = new PretendedCluster();
  readonly log = new RecordingLogger();
  readonly kubelet: PodResourcesServer;
  readonly devinfo: string;
  readonly rig: Rig;
  readonly #devices: NodeDevices;
  readonly #scratch = new ScratchDirectory("devices");

  private constructor(kernels: Kernels, options: Partial<MultusOptions>) {
    const socket = join(this.#scratch.path, "kubelet.sock");
    this.devinfo = join(this.#scratch.path, "devinfo");
    this.kubelet = new PodResourcesServer(socket);
    this.#devices = new NodeDevices({ socket, checkpoint: join(this.#scratch.path, "none") }, silentLogger);
    this.rig = new Rig(kernels, {
      clusters: this.cluster,
      devices: this.#devices,
      deviceInfo: new DeviceInfoDirectory(this.devinfo),
      ...options,
    });
  }

  /** With the pod `default/web`, which has no devices yet. */
  static async start(kernels: Kernels, options: Partial<MultusOptions> = {}): Promise<NodeWithDevices> {
    const node = new NodeWithDevices(kernels, options);
    await node.kubelet.listen();
    node.assign({ app: {} });
    return node;
  }

  /** The kubelet has given devices to a pod. @param containers in the pod's order */
  assign(containers: Readonly<Record<string, Devices>>, name = "web"): void {
    const { kubelet } = this;
    const resources = Object.values(containers).flatMap((devices) => Object.entries(devices));
    kubelet.pods = kubelet.pods.filter((pod) => pod.name !== name);
    kubelet.pods.push({
      name,
      namespace: "default",
      containers: Object.entries(containers).map(([container, devices]) => ({
        name: container,
        devices: Object.entries(devices).map(([resource_name, device_ids]) => ({
          resource_name,
          device_ids,
        })),
      })),
    });
    kubelet.allocatable.push(
      ...resources.map(([resource_name, device_ids]) => ({ resource_name, device_ids })),
    );
  }

  /** A network that wants a device. @param name `namespace/name` */
  addNetwork(name: string, config: Json, resourceName = sriov): void {
    this.cluster.addNad(name, config, { [resourceNameAnnotation]: resourceName });
  }

  /** The pod, and what it selects. */
  addPod(annotations: Readonly<Record<string, string>>): void {
    this.cluster.addPod("default/web", annotations);
  }

  /** The device plugin's information about a device. */
  writeInfo(resourceName: string, deviceId: string, text: string): void {
    const directory = join(this.devinfo, "dp");
    mkdirSync(directory, { recursive: true });
    const name = `${resourceName}-${deviceId}-device.json`.replaceAll("/", "-");
    writeFileSync(join(directory, name), text);
  }

  /** Names of the files of attachments. */
  get attachmentFiles(): string[] {
    const directory = join(this.devinfo, "cni");
    return existsSync(directory) ? readdirSync(directory).sort() : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#devices.close();
    await this.kubelet[Symbol.asyncDispose]();
    this.rig[Symbol.dispose]();
    this.#scratch[Symbol.dispose]();
  }
}
