/** Checks of the names that a runtime or a configuration gives, before they get near a file name or a command (spec, sections 1 and 2). */

import { textError } from "../base/input-error.ts";
import { quoted } from "../log/quoted.ts";
import { environmentError } from "./errors.ts";

/** The characters that the spec allows in container ids and network names. */
const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Linux's IFNAMSIZ without the terminating NUL. */
export const maximalIfNameLength = 15;
/** Linux's NAME_MAX, in bytes. */
const longestFileName = 255;

/**
 * Plans, results and recorded DELs are files named after the container: the longest name is a record's, of 20 characters before the id and 7 that may come before those
 * (docs/wire.md, "DELs while no daemon is there"). Ids of containerd and CRI-O have 64.
 */
const longestContainerId = 228;
/** Of the ids of container runtimes: a SHA-256 in hexadecimal. */
const usualContainerIdLength = 64;

/** Of this length no container has any state here, and none is given any. */
export function isContainerIdTooLong(containerId: string): boolean {
  return containerId.length > longestContainerId;
}

/** Is it an alphanumeric followed by `[A-Za-z0-9_.-]*`, of at most 228 characters? */
export function isContainerId(text: string): boolean {
  return identifier.test(text) && !isContainerIdTooLong(text);
}

/** @throws {CniError} 4: empty, not an alphanumeric followed by `[A-Za-z0-9_.-]*`, or longer than 228 characters */
export function checkContainerId(containerId: string): void {
  if (isContainerIdTooLong(containerId)) {
    throw environmentError(
      `CNI_CONTAINERID ${quoted(containerId)} is longer than the ${longestContainerId} characters that the names of its files have room for`,
    );
  }
  if (identifier.test(containerId)) return;
  throw environmentError(
    containerId === ""
      ? "CNI_CONTAINERID is not set"
      : `CNI_CONTAINERID ${quoted(containerId)} must be letters, digits, "_", "." and "-", the first a letter or digit`,
  );
}

/**
 * An interface name that the kernel takes as it is: 1 to 15 bytes, not `.` or `..`, no slash, colon or white space, and no percent sign, which
 * asks the kernel to make a name (`eth%d`) that nobody could find again.
 * @param where names the source in the error: "CNI_IFNAME", …
 * @throws {CniError} 4
 */
export function checkIfName(ifName: string, where = "CNI_IFNAME"): void {
  const problem = ifNameProblem(ifName);
  if (problem === undefined) return;
  throw environmentError(`${where}: interface name ${quoted(ifName)} ${problem}`);
}

/** The problem of an interface name; undefined: none. */
export function ifNameProblem(ifName: string): string | undefined {
  if (ifName === "") return "is empty";
  if (Buffer.byteLength(ifName) > maximalIfNameLength) return `is longer than ${maximalIfNameLength} bytes`;
  if (ifName === "." || ifName === "..") return "is not allowed";
  if (/[/:%\s\p{Cc}]/u.test(ifName)) {
    return "has a slash, a colon, a percent sign, white space or a control character";
  }
  return undefined;
}

/**
 * @param where names the source in the error: a file, a NAD
 * @throws {InputError} empty, or not an alphanumeric followed by `[A-Za-z0-9_.-]*`
 */
export function checkNetworkName(name: string, where: string): void {
  const problem = networkNameProblem(name);
  if (problem !== undefined) throw textError("content", where, [{ message: problem }]);
}

/**
 * The problem of a network's name, whatever container and interface it is for; undefined: none.
 * @param anyLength it may be too long for the file of a result
 */
export function networkNameProblem(name: string, anyLength = false): string | undefined {
  if (!identifier.test(name)) {
    return name === ""
      ? "the network has no name"
      : `network name ${quoted(name)} must be letters, digits, "_", "." and "-", the first a letter or digit`;
  }
  if (anyLength || name.length <= longestNetworkName) return undefined;
  return `network name ${quoted(name)} has ${name.length} characters, and the file of a result has room for ${longestNetworkName} at the most`;
}

/** The file of an attachment's result (libcni's result cache). */
export function resultFileName(networkName: string, containerId: string, ifName: string): string {
  return `${networkName}-${containerId}-${ifName}`;
}

/** With an id and an interface of one character. */
const longestNetworkName = longestFileName - resultFileName("", "1", "1").length;

/** May a file have this name as far as its length goes? @returns bytes that it has too many; 0: it may */
export function excessOfFileName(name: string): number {
  return Math.max(0, Buffer.byteLength(name) - longestFileName);
}

/**
 * The problem of the length of a network's name for one attachment: its result goes into a file that is named after network, container and interface, and the name of a
 * file ends at 255 bytes. Known before the first plugin runs, as what it has made could not be remembered.
 * @returns undefined: nothing
 */
export function attachmentNameProblem(
  networkName: string,
  containerId: string,
  ifName: string,
): string | undefined {
  const excess = excessOfFileName(resultFileName(networkName, containerId, ifName));
  if (excess === 0) return undefined;
  const room = Math.max(0, networkName.length - excess);
  return `network name ${quoted(networkName)} has ${networkName.length} characters; with container id and interface ${quoted(ifName)} the file of its result has room for ${room}`;
}

/** The longest names that fit with the ids of usual runtimes: whatever the interface is called, and with one of a single character. */
export const usualNetworkNameLengths = {
  always:
    longestFileName -
    resultFileName("", "i".repeat(usualContainerIdLength), "i".repeat(maximalIfNameLength)).length,
  atMost: longestFileName - resultFileName("", "i".repeat(usualContainerIdLength), "i").length,
} as const;

/** The problem of the length of a network's name at an interface of containers with ids of the usual length; undefined: none. */
export function usualNameProblem(networkName: string, ifName: string): string | undefined {
  return attachmentNameProblem(networkName, "i".repeat(usualContainerIdLength), ifName);
}

/** A plugin is a file name in a directory of CNI_PATH. @returns what is wrong with it: empty, `.`, `..`, too long, or with a slash or a NUL; undefined: nothing */
export function pluginTypeProblem(type: string): string | undefined {
  if (type === "") return "type is missing";
  const isTooLong = excessOfFileName(type) > 0;
  if (type !== "." && type !== ".." && !isTooLong && !type.includes("/") && !type.includes("\0"))
    return undefined;
  return `type ${quoted(type)} must be the file name of a plugin, without a path`;
}
