/** The pods of the plans on disk: a plan does not name its pod, the result cache of its attachments does. */

import type { CachedAttachment, ResultCache } from "../../cni/cache.ts";
import { type PodReference, podReference } from "../input/pod.ts";
import type { PlanEntry } from "./plan-decoding.ts";
import { plannedInterface, plannedNetwork, readPlan } from "./plan-file.ts";

/** The entries of a plan that says all; none where it does not. */
export function wholePlan(cniDir: string, containerId: string): readonly PlanEntry[] {
  const plan = readPlan(cniDir, containerId);
  return plan === undefined || plan.problem !== "" ? [] : plan.entries;
}

/** Reads a plan's entry from the result cache. @param position of the entry in the plan */
export function cachedOf(
  cache: ResultCache,
  containerId: string,
  entry: PlanEntry,
  position: number,
): CachedAttachment | undefined {
  const ifName = plannedInterface(entry, position);
  return cache.read({ networkName: plannedNetwork(entry), containerId, ifName });
}

/** The pod of a container's plan, with the runtime's UID. @returns undefined where the plan is torn, or its first network has no result yet */
export function podOfPlan(cniDir: string, cache: ResultCache, containerId: string): PodReference | undefined {
  const [first] = wholePlan(cniDir, containerId);
  const cached = first && cachedOf(cache, containerId, first, 0);
  return cached && podReference(cached.args);
}
