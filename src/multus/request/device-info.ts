/** The device information of an attachment: its file is prepared before ADD, read after it, and removed at DEL (Device Information Specification 1.1.0, sections 4.2 and 6). */

import { basename } from "node:path";
import { memberValue, objectMembers } from "../../base/json.ts";
import type { CachedAttachment } from "../../cni/cache.ts";
import type { RuntimeConf } from "../../cni/types.ts";
import { errorText } from "../../log/error-text.ts";
import { deviceInfoKey } from "../plan/capability-args.ts";
import type { Delegate } from "../plan/delegate.ts";
import type { AttachmentIdentity, DeviceInfoFiles } from "../plan/devices.ts";
import type { Call } from "./call.ts";

type Surroundings = Pick<Call, "chain" | "deviceInfo">;

/** The device information of one attachment during its ADD. A file that cannot be used is logged: the attachment itself is as good without. */
export class AddedDeviceInfo {
  readonly #call: Surroundings;
  readonly #files: DeviceInfoFiles | undefined;
  readonly #identity: AttachmentIdentity;
  #found: Uint8Array | undefined;

  /**
   * Puts the device plugin's file in the attachment's place.
   * @param runtime of the attachment: where its plugins are told no file, there is none
   */
  constructor(
    call: Surroundings,
    { name, request, resourceName }: Pick<Delegate, "name" | "request" | "resourceName">,
    { containerId, ifName, capabilityArgs }: RuntimeConf,
  ) {
    this.#call = call;
    this.#identity = { name, containerId, ifName };
    const isTold = capabilityArgs !== undefined && objectMembers(capabilityArgs, "").has(deviceInfoKey);
    this.#files = isTold ? call.deviceInfo : undefined;
    const { deviceID: deviceId } = request;
    const device =
      resourceName === undefined || deviceId === undefined ? undefined : { resourceName, deviceId };
    this.#tried("prepare", () => this.#files?.prepare(this.#identity, device));
  }

  /** Called after each plugin of a chain: what is there after the first of them that has left something counts. */
  look(): void {
    this.#found ??= this.#tried("read", () => this.#files?.read(this.#identity));
  }

  /** A JSON object, byte for byte; undefined: there is none. */
  get found(): Uint8Array | undefined {
    return this.#found;
  }

  /** Nothing of the attachment was run. */
  remove(): void {
    this.#tried("remove", () => this.#files?.remove(this.#identity));
  }

  #tried<Result>(what: string, work: () => Result): Result | undefined {
    return tried(this.#call, this.#identity, what, work);
  }
}

/**
 * Removes the file of an attachment that is undone. Its name follows from the attachment's, and the result cache has it as well: where there is no plan, only the network's own name is known.
 * A file that is not there is no error, and any other problem is logged.
 */
export function removeDeviceInfo(
  call: Surroundings,
  containerId: string,
  {
    name,
    ifName,
    cached,
  }: Omit<AttachmentIdentity, "containerId"> & {
    readonly cached?: CachedAttachment | undefined;
  },
): void {
  const { deviceInfo } = call;
  if (deviceInfo === undefined) return;
  const names = new Set([name, nameInCache(containerId, ifName, cached?.capabilityArgs) ?? name]);
  for (const each of names) {
    const identity = { name: each, containerId, ifName };
    tried(call, identity, "remove", () => deviceInfo.remove(identity));
  }
}

/** The name that makes the file's of the path in the result cache; undefined where that is not a file of the attachment. */
function nameInCache(
  containerId: string,
  ifName: string,
  capabilityArgs: Uint8Array | undefined,
): string | undefined {
  if (capabilityArgs === undefined) return undefined;
  const path = memberValue(objectMembers(capabilityArgs, "result cache"), deviceInfoKey);
  const end = `-${containerId}_${ifName}`;
  const file = typeof path === "string" ? basename(path) : "";
  return file.endsWith(end) ? file.slice(0, -end.length) : undefined;
}

function tried<Result>(
  { chain }: Surroundings,
  { name, ifName }: AttachmentIdentity,
  what: string,
  work: () => Result,
): Result | undefined {
  try {
    return work();
  } catch (error) {
    chain.log.error(`cannot ${what} the device information of an attachment`, {
      network: name,
      ifName,
      error: errorText(error),
    });
    return undefined;
  }
}
