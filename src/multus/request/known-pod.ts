/** The pod of a request that attaches networks, looked up in its cluster. */

import { type FoundPod, findPod } from "../cluster/pod-lookup.ts";
import { hasName } from "../input/pod.ts";
import type { Call } from "./call.ts";
import { inPhase } from "./report.ts";

/**
 * @param annotations that came with the request; undefined: none came
 * @returns undefined: the request belongs to no cluster, or names no pod
 * @throws {CniError} as {@link findPod} does
 */
export async function lookUpPod(
  { cluster, sandbox, pause, report, chain }: Call,
  annotations: Readonly<Record<string, string>> | undefined,
): Promise<FoundPod | "gone" | undefined> {
  const { pod } = sandbox;
  if (cluster === undefined || !hasName(pod)) return undefined;
  const found = await inPhase(report, "pod-lookup", () =>
    pause(findPod(cluster.pods, pod, annotations, chain.log)),
  );
  return found ?? "gone";
}
