/** The state of a container on disk: its plan joined with the result cache. */

import type { AttachmentKey, CachedAttachment } from "../../cni/cache.ts";
import { KernelError, type Kernels } from "../../kernels/index.ts";
import { type PodReference, podReference } from "../input/pod.ts";
import { interfaceName, usualClusterIfName } from "../plan/delegate.ts";
import type { PlanEntry, PlanFile } from "./plan-decoding.ts";
import { readPlan } from "./plan-file.ts";

/** An attachment, as plan and result cache have it. */
export interface ContainerAttachment<Cached = CachedAttachment> {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  /** The configuration's name; of an entry that has lost it, that of the NetworkAttachmentDefinition, which is the same but for rare cases. */
  readonly networkName: string;
  readonly ifName: string;
  /** Types of the network's plugins in order, as far as the plan tells. */
  readonly plugins: readonly string[];
  /** The plan's entry and its place; undefined: only the result cache has the attachment. */
  readonly planned: { readonly entry: PlanEntry; readonly place: number } | undefined;
  /** The result cache's entry, read when it is asked for first; undefined: there is none. */
  readonly cached: Cached | undefined;
}

export interface Container<Cached = CachedAttachment> {
  /** undefined: there is none. */
  readonly plan: PlanFile | undefined;
  /** Those of the plan, in its order. */
  readonly attachments: readonly ContainerAttachment<Cached>[];
}

interface ContainerSources<Cached> {
  readonly kernels: Kernels;
  /** The result cache. */
  readonly cache: { read(key: AttachmentKey): Cached | undefined };
  /** The cluster network's interface, which plans do not have. Default: the usual one. @param networkName the cluster network's */
  readonly clusterIfName?: (networkName: string) => string;
}

/** Reads a container's plan, as far as it makes sense, with the results of its networks. Never throws. */
export function readContainer<Cached>(
  cniDir: string,
  containerId: string,
  sources: ContainerSources<Cached>,
): Container<Cached> {
  const plan = readPlan(cniDir, containerId);
  return { plan, attachments: plannedAttachments(plan?.entries ?? [], containerId, sources) };
}

/** The attachments of a plan's entries, in order. */
export function plannedAttachments<Cached>(
  entries: readonly PlanEntry[],
  containerId: string,
  { kernels, cache, clusterIfName = () => usualClusterIfName }: ContainerSources<Cached>,
): ContainerAttachment<Cached>[] {
  return entries.map((entry, place) => {
    const { networkName, plugins } = networkOf(entry, kernels);
    const ifName = interfaceName(entry.request, place, clusterIfName(networkName));
    let read: { readonly entry: Cached | undefined } | undefined;
    return {
      name: entry.name === "" ? networkName : entry.name,
      networkName,
      ifName,
      plugins,
      planned: { entry, place },
      get cached() {
        read ??= { entry: cache.read({ networkName, containerId, ifName }) };
        return read.entry;
      },
    };
  });
}

/**
 * The attachments that only the result cache has: Go multus's daemon does not write hot-plugged networks into the plan.
 * @param results of the container, in the order that they get; those of the attachments that are known are left out
 */
export function unplannedAttachments<Cached extends Pick<CachedAttachment, "networkName" | "ifName">>(
  known: readonly ContainerAttachment<Cached>[],
  results: readonly Cached[],
): ContainerAttachment<Cached>[] {
  return results
    .filter((result) => !known.some((attachment) => isAttachmentOf(attachment, result)))
    .map((cached) => {
      const { networkName, ifName } = cached;
      return { name: networkName, networkName, ifName, plugins: [], planned: undefined, cached };
    });
}

/** Are the two of the same network at the same interface? */
export function isAttachmentOf(
  left: Pick<AttachmentKey, "networkName" | "ifName">,
  right: Pick<AttachmentKey, "networkName" | "ifName">,
): boolean {
  return left.networkName === right.networkName && left.ifName === right.ifName;
}

/** Does the plan say all that the container has? */
export function hasWholePlan({ plan }: Container<unknown>): boolean {
  return plan !== undefined && plan.problem === "";
}

/** The pod of a container, with the runtime's UID: a plan does not name it, the results do. @returns undefined where the plan is torn, or its first network has no result yet */
export function podOf(container: Container): PodReference | undefined {
  const cached = hasWholePlan(container) ? container.attachments[0]?.cached : undefined;
  return cached && podReference(cached.args);
}

/** Name and plugins, each by the first configuration of the entry that tells it. One may be torn, or have lost its name, while another one is whole. */
function networkOf(
  { name, configurations }: PlanEntry,
  kernels: Kernels,
): Pick<ContainerAttachment, "networkName" | "plugins"> {
  let plugins: readonly string[] = [];
  for (const { text } of configurations) {
    try {
      const parts = kernels.splitConfig(text);
      if (plugins.length === 0) plugins = parts.plugins.map(({ type }) => type);
      if (parts.name !== "") return { networkName: parts.name, plugins };
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
  }
  return { networkName: name.slice(name.lastIndexOf("/") + 1), plugins };
}
