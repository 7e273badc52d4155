/** Device information files (Network Plumbing Working Group, Device Information Specification 1.1.0), which device plugins and CNI plugins write and network-status repeats. */

import { closeSync, constants, openSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeDirectory, removeFile } from "../base/atomic-file.ts";
import { type InputError, ioFailure, textError } from "../base/input-error.ts";
import { isJsonObject, parseJson, scalarText } from "../base/json.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { isMissingFile } from "../base/system-error.ts";
import { excessOfFileName } from "../cni/names.ts";
import { bounded, quoted } from "../log/quoted.ts";
import {
  type AssignedDevice,
  type AttachmentIdentity,
  type DeviceInfoFiles,
  deviceInfoPath,
  usualDeviceInfoDirectory,
} from "../multus/plan/devices.ts";
import { checksum } from "../multus/spool/checksum.ts";
import { longestDeviceInfo } from "./bounds.ts";

/** As the specification's library writes them: programs of the node may read them. */
const fileMode = 0o444;
const directoryMode = 0o755;

/** Keys that say more of a device, one for each type (section 3.1). */
const typeKeys: ReadonlySet<string> = new Set(["pci", "vdpa", "vhost-user", "memif", "rdma"]);
/** Characters of `type`. */
const longestType = 63;

/** @param resourceName and @param deviceId as the kubelet has them @returns the name of the device plugin's file of a device (section 4) */
export function pluginFileName({ resourceName, deviceId }: AssignedDevice): string {
  return `${resourceName}-${deviceId}-device.json`.replaceAll("/", "-");
}

/**
 * Checks the content of a file: a JSON object with `type`, whose further keys are as they should be as far as they are known.
 * @param where names the file in errors
 * @throws {InputError} of kind "syntax" or "content"
 */
export function checkDeviceInfo(bytes: Uint8Array, where: string): void {
  const value = parseJson(bytes, where);
  if (!isJsonObject(value)) throw problem(where, `it must be an object, is ${bounded(scalarText(value))}`);
  const { type, version } = value;
  if (typeof type !== "string" || type === "" || type.length > longestType) {
    throw problem(where, `type must be a text of 1 to ${longestType} characters, is ${described(type)}`);
  }
  if (version !== undefined && typeof version !== "string") {
    throw problem(where, `version must be a text, is ${described(version)}`);
  }
  for (const key of typeKeys) {
    const member = value[key];
    if (member === undefined || member === null) continue;
    if (!isJsonObject(member)) throw problem(where, `${key} must be an object, is ${described(member)}`);
  }
}

function described(value: unknown): string {
  return typeof value === "string" ? quoted(value) : bounded(scalarText(value));
}

function problem(where: string, message: string): InputError {
  return textError("content", where, [{ message }]);
}

export class DeviceInfoDirectory implements DeviceInfoFiles {
  readonly #directory: string;
  readonly #pluginsDirectory: string;

  /**
   * @param directory where this process sees `dp` and `cni`
   * @param pluginsDirectory where CNI plugins see it
   */
  constructor(directory: string = usualDeviceInfoDirectory, pluginsDirectory: string = directory) {
    this.#directory = directory;
    this.#pluginsDirectory = pluginsDirectory;
  }

  path(attachment: AttachmentIdentity): string {
    return deviceInfoPath(attachment, this.#pluginsDirectory);
  }

  prepare(attachment: AttachmentIdentity, device: AssignedDevice | undefined): void {
    const path = this.#ownPath(attachment);
    const bytes = device === undefined ? undefined : readIfThere(this.#pluginPath(device));
    if (bytes === undefined) {
      // A plugin that makes one refuses to write over another.
      removed(path);
    } else {
      replaced(path, bytes);
    }
  }

  read(attachment: AttachmentIdentity): Uint8Array | undefined {
    return readIfThere(this.#ownPath(attachment));
  }

  remove(attachment: AttachmentIdentity): void {
    removed(this.#ownPath(attachment));
  }

  #ownPath(attachment: AttachmentIdentity): string {
    return deviceInfoPath(attachment, this.#directory);
  }

  #pluginPath(device: AssignedDevice): string {
    return join(this.#directory, "dp", pluginFileName(device));
  }
}

/** @returns undefined: there is none, or no file can have such a name @throws {InputError} */
function readIfThere(path: string): Uint8Array | undefined {
  if (!isPossible(path)) return undefined;
  let bytes: Uint8Array;
  try {
    // A link could name any file that the daemon may read, and its content would be in the pod's annotations.
    bytes = readRegularFile(path, longestDeviceInfo, constants.O_NOFOLLOW);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw ioFailure("read", path, error);
  }
  checkDeviceInfo(bytes, path);
  return bytes;
}

/** A name has no slash, and one that is `.` or `..` cannot come about; it may be too long, or have a NUL. */
function isPossible(path: string): boolean {
  return !path.includes("\0") && excessOfFileName(path.slice(path.lastIndexOf("/") + 1)) === 0;
}

function removed(path: string): void {
  if (!isPossible(path)) return;
  try {
    removeFile(path);
  } catch (error) {
    throw ioFailure("remove", path, error);
  }
}

/** Puts a file in the place of whatever has its name: under a temporary name, which is made new, then renamed. Neither follows a link. */
function replaced(path: string, bytes: Uint8Array): void {
  const directory = dirname(path);
  // Always the same for one path, so that what a crash left does not stay; a name that has the file's in it would be too long where that just fits.
  const temporaryPath = join(directory, `.multus-${checksum(Buffer.from(path)).toString(16)}`);
  try {
    makeDirectory(directory, directoryMode);
    removeFile(temporaryPath);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = openSync(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, fileMode);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    } finally {
      closeSync(file);
    }
    renameSync(temporaryPath, path);
  } catch (error) {
    throw ioFailure("write", path, error);
  }
}
