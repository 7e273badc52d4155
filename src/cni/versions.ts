/** Versions of the CNI spec: which there are, and what each can do. */

import { quoted } from "../log/quoted.ts";
import { versionError } from "./errors.ts";

/** Every released version, in order. */
export const supportedVersions: readonly string[] = [
  "0.1.0",
  "0.2.0",
  "0.3.0",
  "0.3.1",
  "0.4.0",
  "1.0.0",
  "1.1.0",
];

/** The version of a configuration without `cniVersion` (spec, section 1). */
export const versionWhenMissing = "0.1.0";

/** The version that every runtime and client in use reads, for where it is not known which one is wanted. */
export const commonVersion = "1.0.0";

/** Is `version` one of supportedVersions? */
export function isSupportedVersion(version: string): boolean {
  return supportedVersions.includes(version);
}

/** @param where names the source of `version` in the error @throws {CniError} 1: none of supportedVersions */
export function checkVersion(version: string, where: string): void {
  const problem = versionProblem(version);
  if (problem !== undefined) throw versionError(where, { message: problem });
}

/** The problem of a version; undefined: it is one of supportedVersions. */
export function versionProblem(version: string): string | undefined {
  return isSupportedVersion(version)
    ? undefined
    : `cniVersion ${quoted(version)} is not supported; these are: ${supportedVersions.join(", ")}`;
}

/**
 * Orders two supported versions: negative if `left` is the older one.
 * @param left @param right one of supportedVersions
 */
export function compareVersions(left: string, right: string): number {
  return supportedVersions.indexOf(left) - supportedVersions.indexOf(right);
}

/** CHECK came with 0.4.0, and with it the cached result as prevResult of DEL. */
export function supportsCheck(version: string): boolean {
  return compareVersions(version, "0.4.0") >= 0;
}

/** STATUS and GC came with 1.1.0. */
export function supportsStatusAndGc(version: string): boolean {
  return compareVersions(version, "1.1.0") >= 0;
}
