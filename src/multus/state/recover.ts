/**
 * Finds a container's attachments from all sources that are left: its plan, else its result caches and the networks that its pod would get
 * today (docs/behaviour.md, "DEL").
 */

import type { CachedAttachment } from "../../cni/cache.ts";
import { errorText } from "../../log/error-text.ts";
import { withinPatience } from "../cluster/patience.ts";
import { isAnotherPod } from "../cluster/pod-lookup.ts";
import { hasName } from "../input/pod.ts";
import { interfaceName } from "../plan/delegate.ts";
import { makePlan } from "../plan/plan.ts";
import { type Attachment, nadsWithEvents, type RequestContext } from "../request/context.ts";
import { delegatesWithVersions } from "../request/network-version.ts";
import { cachedConfiguration, plannedConfiguration, withFurtherPlugins } from "./configuration-then.ts";
import type { PlanEntry, PlanFile } from "./plan-decoding.ts";
import { planLength, readPlan } from "./plan-file.ts";

/** The attachments that were found. */
export interface Recovered {
  /** In the order of their ADD. */
  readonly attachments: readonly Attachment[];
  /** There was a plan, whole or not. */
  readonly hasPlan: boolean;
  /** The plan says all: nothing had to be rebuilt. */
  readonly isPlanWhole: boolean;
}

/** Sources, and permissions to ask them, beyond the disk. */
export interface RecoverOptions {
  /** An ADD of the container is known to have ended before its first delegate. */
  readonly neverStarted: boolean;
  /** The cluster may be asked for the pod, where there is no whole plan and the request brings no annotations. */
  readonly podCanBeAsked: boolean;
  /** Attachments that are in the result cache and not in a whole plan count too: Go multus's daemon does not write hot-plugged networks into the plan. */
  readonly withUnplanned: boolean;
}

/** Never throws for what the cluster does or does not answer: what it would have said is missing then. */
export async function recoverAttachments(
  context: RequestContext,
  { neverStarted, podCanBeAsked, withUnplanned }: RecoverOptions,
): Promise<Recovered> {
  const { netconf, request, log } = context;
  const { cniDir } = netconf;
  const { containerId } = request;
  const length = planLength(cniDir, containerId);
  const { plan, planned } = await context.chain.largeWork.run(length, () => planOnDisk(context));
  const problem = plan?.problem ?? "";
  if (plan !== undefined && problem === "" && planned.length === plan.entries.length) {
    const unplanned = withUnplanned ? await unplannedAttachments(context, planned) : [];
    return { attachments: [...planned, ...unplanned], hasPlan: true, isPlanWhole: true };
  }
  if (plan !== undefined) {
    log.error("the plan is broken: rebuilding it from the result cache and the pod's networks", {
      problem: problem === "" ? "entries without a usable configuration" : problem,
    });
  }
  const cached = await context.chain.cache.list(request.containerId);
  const hasTraces = plan !== undefined || cached.length > 0;
  if (!hasTraces && neverStarted) {
    return { attachments: [], hasPlan: false, isPlanWhole: false };
  }
  const rebuilt = new Map(planned.map((attachment) => [keyOf(attachment), attachment]));
  const asked = podCanBeAsked ? await withPodOfCluster(context) : context;
  for (const attachment of await remade(asked, hasTraces)) {
    const key = keyOf(attachment);
    if (!rebuilt.has(key)) {
      const known = withCached(context, attachment, cached);
      rebuilt.set(key, plan === undefined && known === attachment ? { ...known, isGuessed: true } : known);
    }
  }
  for (const attachment of inOrder(cached, request.ifName)) {
    const found = fromCache(context, attachment);
    if (found !== undefined && !rebuilt.has(keyOf(found))) {
      rebuilt.set(keyOf(found), found);
    }
  }
  return { attachments: [...rebuilt.values()], hasPlan: plan !== undefined, isPlanWhole: false };
}

/** The container's plan, and those of its entries that can be used. */
function planOnDisk(context: RequestContext): { plan: PlanFile | undefined; planned: Attachment[] } {
  const plan = readPlan(context.netconf.cniDir, context.request.containerId);
  const entries = plan?.entries ?? [];
  return { plan, planned: entries.flatMap((entry, place) => fromPlan(context, entry, place) ?? []) };
}

async function unplannedAttachments(
  context: RequestContext,
  planned: readonly Attachment[],
): Promise<Attachment[]> {
  const { containerId, ifName: clusterIfName } = context.request;
  const known = planned.map(({ network, ifName }) => ({ networkName: network.name, containerId, ifName }));
  const unknown = await context.chain.cache.list(containerId, known);
  return inOrder(unknown, clusterIfName).flatMap((cached) => fromCache(context, cached) ?? []);
}

function keyOf({ network, ifName }: Attachment): string {
  return `${network.name} ${ifName}`;
}

/** The context with what the cluster knows of the pod; as it was where that is nothing, or the request has annotations of its own. */
async function withPodOfCluster(context: RequestContext): Promise<RequestContext> {
  const { cluster, pod, annotations, log } = context;
  if (cluster === undefined || annotations !== undefined || !hasName(pod)) {
    return context;
  }
  const { pods } = cluster;
  try {
    // The API first, as the pod may be gone, and nothing is waited for then; the watch's memory where it does not answer.
    const answer = pods.ask(pod).catch(() => pods.find(pod, { retry: false }));
    const details = await context.pause(withinPatience(answer, "the pod"));
    if (details === undefined) {
      return context;
    }
    if (isAnotherPod(pod, details)) {
      log.verbose("another pod has taken the name: its networks say nothing about this container", {
        uid: details.uid,
      });
      return context;
    }
    return { ...context, annotations: details.annotations, podObject: { ...pod, uid: details.uid } };
  } catch (error) {
    log.error("the pod cannot be looked up", { error: errorText(error) });
    return context;
  }
}

/** The networks that the pod would get today. Without its annotations, or with one that leads nowhere, and where something is there to be undone: the cluster's own. */
async function remade(context: RequestContext, hasTraces: boolean): Promise<readonly Attachment[]> {
  const nads = nadsWithEvents(context);
  const attempts = [context.annotations, hasTraces ? {} : undefined];
  for (const annotations of attempts) {
    if (annotations === undefined) {
      continue;
    }
    try {
      const plan = makePlan(context.catalog, { ...context, annotations, nads, toBeUndone: true });
      const found = await context.pause(withinPatience(plan, "the pod's networks"));
      const delegates = await delegatesWithVersions(context, found, true);
      return delegates.map((delegate, place) => ({
        ...delegate,
        ifName: interfaceName(delegate, place, context.request.ifName),
        place,
      }));
    } catch (error) {
      context.log.error("cannot rebuild the pod's plan", {
        error: errorText(error),
      });
    }
  }
  return [];
}

/** The plan's entry as an attachment; undefined, and reported, if none of its configurations can be used. */
function fromPlan(context: RequestContext, entry: PlanEntry, place: number): Attachment | undefined {
  const ifName = interfaceName(
    { request: entry.request, isCluster: place === 0 },
    place,
    context.request.ifName,
  );
  const network = plannedConfiguration(context, entry, ifName);
  if (network === undefined) {
    context.log.error("nothing of a network's configuration is left: it cannot be undone", {
      network: entry.name,
      ifName,
    });
    return undefined;
  }
  return {
    name: entry.name === "" ? network.name : entry.name,
    ifName,
    network,
    request: entry.request,
    place,
  };
}

function fromCache(context: RequestContext, cached: CachedAttachment): Attachment | undefined {
  const { networkName: name, ifName, capabilityArgs } = cached;
  const network = cachedConfiguration(context, cached);
  return network === undefined
    ? undefined
    : { name, ifName, network, request: {}, knownCapabilityArgs: capabilityArgs };
}

/**
 * A network made again may have changed since ADD: the cache knows what it was then. Only the plugins of a list's subdirectory are not in
 * a cache that Go multus wrote.
 */
function withCached(
  context: RequestContext,
  attachment: Attachment,
  cached: readonly CachedAttachment[],
): Attachment {
  const own = cached.find(
    ({ networkName, ifName }) => networkName === attachment.network.name && ifName === attachment.ifName,
  );
  const then = own && cachedConfiguration(context, own);
  return then === undefined
    ? attachment
    : { ...attachment, network: withFurtherPlugins(context, then, attachment.network) };
}

/** The cache does not keep the order of the ADDs: the cluster network's interface is first, then they go by name, net2 before net10. */
function inOrder(cached: readonly CachedAttachment[], clusterIfName: string): CachedAttachment[] {
  return cached.toSorted(
    (left, right) =>
      Number(right.ifName === clusterIfName) - Number(left.ifName === clusterIfName) ||
      left.ifName.localeCompare(right.ifName, "en", { numeric: true }),
  );
}
