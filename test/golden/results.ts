/** Recorded results in other versions, by the kernel's twin. */

import { convertResult } from "../reference/result.ts";
import type { JsonObject } from "./cases.ts";

/** How the default routes of a network's result change. */
export interface RoutesChanged {
  readonly removeIPv4: boolean;
  readonly removeIPv6: boolean;
  /** Gateways. */
  readonly add: readonly string[];
}

export function bytesOf(value: JsonObject): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** A result in another version. */
export function inVersion(
  result: JsonObject,
  targetVersion: string,
  defaultRoutes?: RoutesChanged,
): JsonObject {
  const input = { result: bytesOf(result), configVersion: targetVersion, targetVersion, defaultRoutes };
  return JSON.parse(Buffer.from(convertResult(input)).toString());
}

/** The version that a result says, else its network's. */
export function versionOf({ cniVersion }: JsonObject, networkVersion: string): string {
  return typeof cniVersion === "string" && cniVersion !== "" ? cniVersion : networkVersion;
}

/** A result in its own version: what the next plugin of a chain gets. */
export function inOwnVersion(result: JsonObject, networkVersion: string): JsonObject {
  return inVersion(result, versionOf(result, networkVersion));
}
