/** Devices of a pod (SR-IOV functions and others): what a plan asks for, and where they come from, as far as this room cares (docs/behaviour.md, "Devices"). */

import { join } from "node:path";
import { CniError, CniErrorCode } from "../../cni/errors.ts";
import type { PodReference } from "../input/pod.ts";

/** Annotation of a NetworkAttachmentDefinition: the resource of which each attachment gets a device. */
export const resourceNameAnnotation = "k8s.v1.cni.cncf.io/resourceName";

/** Where device plugins, CNI plugins and Multus have agreed to have device information files. */
export const usualDeviceInfoDirectory = "/var/run/k8s.cni.cncf.io/devinfo";

/** Which attachment, as far as it names its device information file. */
export interface AttachmentIdentity {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly containerId: string;
  readonly ifName: string;
}

/** The name of an attachment's device information file, as Go multus has it. */
export function deviceInfoFileName({ name, containerId, ifName }: AttachmentIdentity): string {
  return `${name}-${containerId}_${ifName}`.replaceAll("/", "-");
}

/** The path of an attachment's device information file, as its plugins are told it (capability argument CNIDeviceInfoFile). @param directory as plugins see it */
export function deviceInfoPath(
  attachment: AttachmentIdentity,
  directory: string = usualDeviceInfoDirectory,
): string {
  return join(directory, "cni", deviceInfoFileName(attachment));
}

/** A network of a plan whose NetworkAttachmentDefinition names a resource. */
export interface DeviceWish {
  /** Names the network in errors: `namespace/nad`. */
  readonly network: string;
  /** `intel.com/sriov_netdevice`; not empty. */
  readonly resourceName: string;
  /** The `deviceID` of the network selection; undefined: the next one of the resource. */
  readonly deviceId?: string | undefined;
}

/** The devices of one resource that a container of a pod has. */
export interface ContainerDevices {
  /** Name of the container; "" where the device belongs to no single one. */
  readonly container: string;
  readonly resourceName: string;
  readonly ids: readonly string[];
}

/** The devices of a pod as a cluster's API has them: allocations of DRA drivers (resource.k8s.io), and the order of its containers. */
export interface ClaimSource {
  /**
   * Names of the pod's containers in the order in which the kubelet reports their devices: restartable init containers, then containers.
   * @returns undefined: there is no such pod
   * @throws {CniError} 11 where the API does not answer
   */
  containers(pod: PodReference): Promise<readonly string[] | undefined>;
  /**
   * The devices that the pod's ResourceClaims have, as far as their drivers publish them for CNI, in the pod's order.
   * @throws {CniError} 11 where the API does not answer, or the allocation cannot be read yet {@link InputError} where an object is not as it should be
   */
  devices(pod: PodReference): Promise<readonly ContainerDevices[]>;
}

/** Where the devices of the node's pods are known. */
export interface DeviceSource {
  /**
   * The device of each wish. Devices are handed out in order: those of the kubelet's device plugins, containers in the pod's order, ids sorted within a container; then those of the pod's claims.
   * A device that a selection names is taken out of that order first.
   * @param wishes all of a plan, in its order
   * @param claims undefined: the request belongs to no cluster
   * @returns in the order of the wishes; undefined for a resource that nothing on this node has devices of
   * @throws {InputError} of kind "content": a device that is not the pod's, or fewer devices than wishes; it names resource, wanted, had and pod
   * @throws {CniError} 11 where it cannot be known now
   */
  assign(
    pod: PodReference,
    wishes: readonly DeviceWish[],
    claims: ClaimSource | undefined,
  ): Promise<readonly (string | undefined)[]>;
}

/** A device of an attachment. */
export interface AssignedDevice {
  readonly resourceName: string;
  readonly deviceId: string;
}

/** Device information files (Device Information Specification 1.1.0): what device plugins and CNI plugins tell of a device. */
export interface DeviceInfoFiles {
  /** The file of an attachment, as its plugins are told it (capability argument CNIDeviceInfoFile). */
  path(attachment: AttachmentIdentity): string;
  /**
   * Before ADD: puts the device plugin's file, where it has made one, in the attachment's place. A file that an earlier attachment of the name has left is removed.
   * @throws {InputError} of kind "file" where the directory cannot be written; "syntax" or "content" where the device plugin's file is no device information
   */
  prepare(attachment: AttachmentIdentity, device: AssignedDevice | undefined): void;
  /**
   * After ADD: the attachment's file, be it the device plugin's or one that a CNI plugin has written.
   * @returns a JSON object, byte for byte; undefined: there is none
   * @throws {InputError} naming the file: it cannot be read, is too large, or is no device information
   */
  read(attachment: AttachmentIdentity): Uint8Array | undefined;
  /** At DEL. A file that is not there is no error. @throws {InputError} of kind "file" */
  remove(attachment: AttachmentIdentity): void;
}

/** Code 11, "try again later": which devices a pod has cannot be known now. */
export class DevicesUnknown extends CniError {
  constructor(message: string, options?: ErrorOptions) {
    super(CniErrorCode.tryAgainLater, message, "", options);
  }
}
