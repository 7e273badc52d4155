/** The environment of every delegate of a request: CNI_ARGS in Go multus's order, and CNI_PATH with binDir first (docs/behaviour.md, "What a delegate is given"). */

import type { CniArgs } from "../../cni/args.ts";
import type { PodReference } from "../input/pod.ts";
import type { AttachmentRequest } from "../input/selection.ts";

/**
 * CNI_ARGS for the delegates: Multus's own five, then what the runtime sent, in order. A pair that is there already is not
 * repeated, and an own one without a value takes the runtime's.
 * @param runtimeArgs CNI_ARGS of the request
 */
export function pluginArgs(pod: PodReference, runtimeArgs: CniArgs): CniArgs {
  const args: [string, string][] = [
    ["IgnoreUnknown", "true"],
    ["K8S_POD_NAMESPACE", pod.namespace],
    ["K8S_POD_NAME", pod.name],
    ["K8S_POD_INFRA_CONTAINER_ID", pod.sandboxId],
    ["K8S_POD_UID", pod.uid],
  ];
  const written = new Set(args.map(([key, value]) => `${key}=${value}`));
  const empty = new Map(args.filter(([, value]) => value === "").map((pair) => [pair[0], pair]));
  for (const [key, value] of runtimeArgs) {
    const unset = empty.get(key);
    const text = `${key}=${value}`;
    if (unset === undefined && written.has(text)) continue;
    const pair: [string, string] = unset ?? [key, value];
    pair[1] = value;
    written.add(text);
    if (unset === undefined) args.push(pair);
    if (value === "") empty.set(key, pair);
    else empty.delete(key);
  }
  return args;
}

/** CNI_ARGS of an ADD: the MAC and the addresses asked for come last, for plugins that know no capabilities. */
export function withAddressArgs(args: CniArgs, request: AttachmentRequest): CniArgs {
  const added: [string, string][] = [];
  if (request.mac !== undefined) added.push(["MAC", request.mac]);
  if (request.ips !== undefined && request.ips.length > 0) added.push(["IP", request.ips.join(",")]);
  return added.length === 0 ? args : [...args, ...added];
}

/** CNI_PATH for the delegates: binDir, then the runtime's directories, each once. @param path colon separated directories */
export function pluginPath(binDir: string, path: string): string {
  const directories = [binDir, ...path.split(":")].filter((directory) => directory !== "");
  return [...new Set(directories)].join(":");
}
