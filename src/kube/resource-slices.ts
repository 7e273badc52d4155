/** ResourceSlices (resource.k8s.io/v1, v1beta2, v1beta1): which of a driver's devices on a node are for CNI, and by which id. */

import { InputError } from "../base/input-error.ts";
import { isCount, objectAt, objectsIn, textOf } from "../base/json.ts";
import { bounded, ownText } from "../log/quoted.ts";
import { DevicesUnknown } from "../multus/plan/devices.ts";
import type { Api } from "./api.ts";
import type { Allocation } from "./claim-objects.ts";
import { PagedList, withQuery } from "./paged-list.ts";

/** Attributes by which a driver says that a device is for CNI. */
const deviceIdAttribute = "k8s.cni.cncf.io/deviceID";
const resourceNameAttribute = "k8s.cni.cncf.io/resourceName";

/** A slice has up to 128 devices with 32 attributes each, some 400 KB. */
const slicesInPage = 8;
const longestPage = 4 << 20;
/** Of one driver on one node. */
const mostSlices = 1024;
/** Characters of an attribute: Kubernetes allows 64 in a text. */
const longestAttribute = 256;

/** A device of an allocation, as far as it identifies one. */
export type DeviceName = Pick<Allocation, "driver" | "pool" | "device">;

/** A driver's attributes of a device; undefined for an attribute that it does not have. */
export interface PublishedDevice {
  readonly deviceId: string | undefined;
  readonly resourceName: string | undefined;
}

/** A slice as it is kept: of its devices only those that are wanted. */
export interface KeptSlice {
  readonly driver: string;
  /** "" where it is not bound to one node. */
  readonly nodeName: string;
  readonly pool: string;
  readonly generation: number;
  /** Slices of the pool in this generation. */
  readonly count: number;
  readonly devices: ReadonlyMap<string, PublishedDevice>;
}

/** Identifies a device among those of all drivers. */
export function deviceKey({ driver, pool, device }: DeviceName): string {
  return `${driver}/${pool}/${device}`;
}

export interface PublishedDevicesOptions {
  readonly api: Api;
  /** Of all ResourceSlices, in the version that the server has. */
  readonly path: string;
  readonly nodeName: string;
  readonly driver: string;
  /** The devices of this driver that are looked for. */
  readonly wanted: readonly DeviceName[];
}

/**
 * Lists a driver's slices of a node. Of each pool those of the newest generation count. A pool that is not bound to the node is not listed, and its devices are not found: they are a GPU's, or of a
 * device that is reached over a network.
 * @returns the wanted devices that are published, by deviceKey
 * @throws {DevicesUnknown} a wanted device is not there, and its pool is not published completely {@link InputError} too many slices {@link ApiError} {@link ApiUnreachable}
 */
export async function publishedDevices(
  options: PublishedDevicesOptions,
): Promise<Map<string, PublishedDevice>> {
  const { driver, nodeName, wanted } = options;
  const pools = new Map<string, Pool>();
  let count = 0;
  for await (const item of slicesOf(options)) {
    if (++count > mostSlices) {
      throw new InputError(
        "content",
        `driver ${bounded(driver)} has more than ${mostSlices} ResourceSlices on node ${nodeName}`,
      );
    }
    const slice = keptSlice(item, new Set(wanted.map(({ device }) => device)));
    // A server that does not know a selector may ignore it.
    if (slice.driver === driver && slice.nodeName === nodeName) addSlice(pools, slice);
  }
  const found = new Map<string, PublishedDevice>();
  for (const name of wanted) {
    const pool = pools.get(name.pool);
    const device = pool?.devices.get(name.device);
    if (device !== undefined) found.set(deviceKey(name), device);
    else if (pool !== undefined && pool.slices < pool.count) throw incomplete(name, nodeName, pool);
  }
  return found;
}

/** The newest generation of a pool. */
interface Pool {
  readonly generation: number;
  readonly count: number;
  slices: number;
  readonly devices: Map<string, PublishedDevice>;
}

function addSlice(pools: Map<string, Pool>, { pool: name, generation, count, devices }: KeptSlice): void {
  const known = pools.get(name);
  if (known !== undefined && known.generation > generation) return;
  const pool =
    known?.generation === generation
      ? known
      : { generation, count, slices: 0, devices: new Map<string, PublishedDevice>() };
  pools.set(name, pool);
  pool.slices += 1;
  for (const [device, published] of devices) pool.devices.set(device, published);
}

function incomplete(
  { driver, pool, device }: DeviceName,
  nodeName: string,
  { slices, count }: Pool,
): DevicesUnknown {
  return new DevicesUnknown(
    `device ${bounded(device)} of driver ${bounded(driver)} is allocated, and of its pool ${bounded(pool)} the cluster has ${slices} of ${count} ResourceSlices for node ${nodeName}`,
  );
}

async function* slicesOf({
  api,
  path,
  nodeName,
  driver,
}: PublishedDevicesOptions): AsyncGenerator<unknown, void, undefined> {
  const fieldSelector = `spec.nodeName=${nodeName},spec.driver=${driver}`;
  const list = new PagedList({
    request: (request) => api.request({ ...request, isPaced: true }),
    path: withQuery(path, new URLSearchParams({ fieldSelector })),
    pageSize: slicesInPage,
    longestPageBytes: longestPage,
  });
  for await (const { items } of list.pages()) yield* items;
}

/**
 * The part of a ResourceSlice that is kept.
 * @param object anything: what is not as it should be counts as not there
 * @param wanted names of devices
 */
export function keptSlice(object: unknown, wanted: ReadonlySet<string>): KeptSlice {
  const { driver, nodeName, pool, devices } = objectAt(object, "spec");
  const { name, generation, resourceSliceCount } = objectAt(pool);
  const kept = new Map<string, PublishedDevice>();
  for (const device of objectsIn(devices)) {
    if (typeof device.name !== "string" || !wanted.has(device.name)) continue;
    // In v1beta1 there was one kind of device, `basic`, and room for others.
    const attributes = objectAt(device.attributes ?? objectAt(device.basic).attributes);
    kept.set(ownText(device.name), {
      deviceId: attributeText(attributes[deviceIdAttribute]),
      resourceName: attributeText(attributes[resourceNameAttribute]),
    });
  }
  return {
    driver: ownText(textOf(driver)),
    nodeName: ownText(textOf(nodeName)),
    pool: ownText(textOf(name)),
    generation: isCount(generation) ? generation : 0,
    count: isCount(resourceSliceCount) ? resourceSliceCount : 0,
    devices: kept,
  };
}

/** @returns undefined where it has no such text, an empty one, or one that is too long */
function attributeText(attribute: unknown): string | undefined {
  const { string } = objectAt(attribute);
  return typeof string === "string" && string !== "" && string.length <= longestAttribute
    ? ownText(string)
    : undefined;
}
