/** Checks of sizes that a plan does not have: configurations with what is selected for them, and results. */

import { CniError, CniErrorCode, configError } from "../../cni/errors.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import { longestConfiguration, longestResults } from "./bounds.ts";

/**
 * Before `cni-args` are set in each plugin of a network.
 * @param where names the network in errors
 * @throws {CniError} 7 where that would become too long
 */
export function checkCniArgs(
  { bytes, plugins }: NetworkConfigList,
  cniArgs: Uint8Array | undefined,
  where: string,
): void {
  const length = bytes.length + (cniArgs?.length ?? 0) * plugins.length;
  if (length <= longestConfiguration) return;
  throw configError(
    `${where}: cni-args go into each of its ${plugins.length} plugins, which makes ${length} bytes, and at most ${longestConfiguration} are allowed`,
  );
}

/** @param bytes of all results of a pod so far @throws {CniError} 6 */
export function checkResultBytes(bytes: number): void {
  if (bytes <= longestResults) return;
  throw new CniError(
    CniErrorCode.decodingFailure,
    `the results of the pod's networks have ${bytes} bytes with that of this one, and at most ${longestResults} are allowed`,
  );
}
