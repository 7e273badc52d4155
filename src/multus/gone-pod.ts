/** The answer to the ADD of a pod that is gone: a success in which nothing was done (docs/behaviour.md, "Pod lookup"). */

import { commonVersion } from "../cni/versions.ts";
import type { Kernels } from "../kernels/index.ts";
import type { Sandbox } from "./request/call.ts";

/**
 * A result with the interface that the runtime asked for and the address 0.0.0.0/0. An error would have the kubelet try again and
 * again for a pod that nobody misses; its DEL comes soon.
 * @param cniVersion the netconf's, "" where it names none
 * @returns JSON text
 */
export function resultForGonePod(
  { ifName, netns }: Pick<Sandbox, "ifName" | "netns">,
  cniVersion: string,
  kernels: Kernels,
): Uint8Array {
  const result = {
    cniVersion: commonVersion,
    interfaces: [{ name: ifName, sandbox: netns }],
    ips: [{ address: "0.0.0.0/0", gateway: "0.0.0.0" }],
  };
  return kernels.convertResult({
    result: Buffer.from(JSON.stringify(result)),
    configVersion: commonVersion,
    targetVersion: cniVersion || commonVersion,
  });
}
