/** Checks of the names that a runtime or a configuration gives, before they get near a file name or a command (spec, sections 1 and 2). */

import { quoted } from "../log/quoted.ts";
import { CniError, CniErrorCode, textError } from "./errors.ts";

/** What the spec allows in container ids and network names. */
const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Linux's IFNAMSIZ without the terminating NUL. */
const maximalIfNameLength = 15;
/** Linux's NAME_MAX, in bytes. */
const longestFileName = 255;

/** @throws {CniError} 4: empty, or not an alphanumeric followed by `[A-Za-z0-9_.-]*` */
export function checkContainerId(containerId: string): void {
  if (identifier.test(containerId)) return;
  throw new CniError(
    CniErrorCode.invalidEnvironment,
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
  throw new CniError(
    CniErrorCode.invalidEnvironment,
    `${where}: interface name ${quoted(ifName)} ${problem}`,
  );
}

/** What is wrong with an interface name; undefined: nothing. */
export function ifNameProblem(ifName: string): string | undefined {
  if (ifName === "") return "is empty";
  if (Buffer.byteLength(ifName) > maximalIfNameLength) {
    return `is longer than ${maximalIfNameLength} bytes`;
  }
  if (ifName === "." || ifName === "..") return "is not allowed";
  if (/[/:%\s\p{Cc}]/u.test(ifName)) {
    return "has a slash, a colon, a percent sign, white space or a control character";
  }
  return undefined;
}

/**
 * @param where names the source in the error: a file, a NAD
 * @throws {CniError} 7: empty, or not an alphanumeric followed by `[A-Za-z0-9_.-]*`
 */
export function checkNetworkName(name: string, where: string): void {
  const problem = networkNameProblem(name);
  if (problem !== undefined)
    throw textError(CniErrorCode.invalidNetworkConfig, where, [{ message: problem }]);
}

/** What is wrong with a network's name; undefined: nothing. */
export function networkNameProblem(name: string): string | undefined {
  if (identifier.test(name)) return undefined;
  return name === ""
    ? "the network has no name"
    : `network name ${quoted(name)} must be letters, digits, "_", "." and "-", the first a letter or digit`;
}

/** A plugin is a file name in a directory of CNI_PATH. @returns what is wrong with it: empty, `.`, `..`, too long, or with a slash or a NUL; undefined: nothing */
export function pluginTypeProblem(type: string): string | undefined {
  if (type === "") return "type is missing";
  const isLong = Buffer.byteLength(type) > longestFileName;
  if (type !== "." && type !== ".." && !isLong && !type.includes("/") && !type.includes("\0"))
    return undefined;
  return `type ${quoted(type)} must be the file name of a plugin, without a path`;
}
