/**
 * Finds a container's attachments from all sources that are left: its plan, else its result caches and the networks that its pod would get
 * today (docs/behaviour.md, "DEL").
 */

import type { CachedAttachment } from "../../cni/cache.ts";
import { errorText } from "../../log/error-text.ts";
import { nadsWithEvents } from "../cluster/nads-with-events.ts";
import { withinPatience } from "../cluster/patience.ts";
import { isAnotherPod } from "../cluster/pod-lookup.ts";
import { hasName, type PodReference } from "../input/pod.ts";
import { interfaceName } from "../plan/delegate.ts";
import type { NetworkCatalog } from "../plan/networks.ts";
import { makePlan } from "../plan/plan.ts";
import type { Attachment } from "../request/attachment.ts";
import type { Call, Sandbox } from "../request/call.ts";
import { delegatesWithVersions } from "../request/network-version.ts";
import { cachedConfiguration, configurationThen, withFurtherPlugins } from "./configuration-then.ts";
import {
  type ContainerAttachment,
  hasWholePlan,
  isAttachmentOf,
  readContainer,
  unplannedAttachments,
} from "./container.ts";
import { planLength } from "./plan-file.ts";

interface Recovered {
  /** In the order of their ADD, each with what the result cache has of it. */
  readonly attachments: readonly Attachment[];
  /** There was a plan, whole or not. */
  readonly hasPlan: boolean;
  /** The plan says all: nothing had to be rebuilt. */
  readonly isPlanWhole: boolean;
}

/** Sources, and permissions to ask them, beyond the disk. */
interface RecoverOptions {
  readonly catalog: NetworkCatalog;
  /** The pod's, as the request has them; undefined: nothing is known of it. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** An ADD of the container is known to have ended before its first delegate. */
  readonly neverStarted: boolean;
  /** The cluster may be asked for the pod, where there is no whole plan and the request brings no annotations. */
  readonly podCanBeAsked: boolean;
  /** Attachments that are in the result cache and not in a whole plan count too: Go multus's daemon does not write hot-plugged networks into the plan. */
  readonly withUnplanned: boolean;
}

/** Never throws for what the cluster does or does not answer: what it would have said is missing then. */
export async function recoverAttachments(
  call: Call,
  sandbox: Sandbox,
  options: RecoverOptions,
): Promise<Recovered> {
  const { netconf, chain } = call;
  const { containerId, ifName: clusterIfName } = sandbox;
  const { container, planned } = await chain.largeWork.run(planLength(netconf.cniDir, containerId), () => {
    const { kernels, cache } = chain;
    const sources = { kernels, cache, clusterIfName: () => clusterIfName };
    const container = readContainer(netconf.cniDir, containerId, sources);
    return { container, planned: usable(call, container.attachments) };
  });
  const { plan } = container;
  if (hasWholePlan(container) && planned.length === container.attachments.length) {
    if (!options.withUnplanned) return { attachments: planned, hasPlan: true, isPlanWhole: true };
    const known = planned.map(({ network, ifName }) => ({ networkName: network.name, containerId, ifName }));
    const results = inOrder(await chain.cache.list(containerId, known), clusterIfName);
    const unplanned = usable(call, unplannedAttachments([], results));
    return { attachments: [...planned, ...unplanned], hasPlan: true, isPlanWhole: true };
  }
  if (plan !== undefined) {
    chain.log.error("the plan is broken: rebuilding it from the result cache and the pod's networks", {
      problem: plan.problem === "" ? "entries without a usable configuration" : plan.problem,
    });
  }
  const results = inOrder(await chain.cache.list(containerId), clusterIfName);
  const hasTraces = plan !== undefined || results.length > 0;
  if (!hasTraces && options.neverStarted) return { attachments: [], hasPlan: false, isPlanWhole: false };
  const rebuilt = new Map(planned.map((attachment) => [keyOf(attachment), attachment]));
  for (const attachment of await remade(call, sandbox, options, hasTraces)) {
    const key = keyOf(attachment);
    if (!rebuilt.has(key)) rebuilt.set(key, withCached(call, attachment, results, plan === undefined));
  }
  for (const attachment of usable(call, unplannedAttachments([], results))) {
    const key = keyOf(attachment);
    if (!rebuilt.has(key)) rebuilt.set(key, attachment);
  }
  return { attachments: [...rebuilt.values()], hasPlan: plan !== undefined, isPlanWhole: false };
}

function keyOf({ network, ifName }: Attachment): string {
  return `${network.name} ${ifName}`;
}

/** The attachments of which a configuration can be used. Others of the plan are reported. */
function usable(
  { netconf, chain }: Pick<Call, "netconf" | "chain">,
  attachments: readonly ContainerAttachment[],
): Attachment[] {
  return attachments.flatMap((attachment): Attachment | [] => {
    const { name, ifName, planned } = attachment;
    const network = configurationThen({ netconf, chain }, attachment);
    if (network !== undefined) {
      const ofPlan = { request: planned?.entry.request ?? {}, place: planned?.place };
      return {
        name: name === "" ? network.name : name,
        ifName,
        network,
        ...ofPlan,
        // Its file may be large, and CHECK wants few of them.
        get cached() {
          return attachment.cached;
        },
      };
    }
    if (planned !== undefined) {
      chain.log.error("nothing of a network's configuration is left: it cannot be undone", {
        network: planned.entry.name,
        ifName,
      });
    }
    return [];
  });
}

/** Facts about the pod: its annotations, and its object in the cluster. */
interface KnownPod {
  readonly annotations: RecoverOptions["annotations"];
  readonly podObject: PodReference | undefined;
}

/** Asks the cluster for the pod where that is allowed and the request has no annotations. */
async function knownPod(
  { cluster, pause, chain }: Call,
  { pod }: Sandbox,
  { annotations, podCanBeAsked }: RecoverOptions,
): Promise<KnownPod> {
  const unknown = { annotations, podObject: undefined };
  if (!podCanBeAsked || cluster === undefined || annotations !== undefined || !hasName(pod)) return unknown;
  const { pods } = cluster;
  try {
    // The API first, as the pod may be gone, and nothing is waited for then; the watch's memory where it does not answer.
    const answer = pods.ask(pod).catch(() => pods.find(pod, { retry: false }));
    const details = await pause(withinPatience(answer, "the pod"));
    if (details === undefined) return unknown;
    if (isAnotherPod(pod, details)) {
      chain.log.verbose("another pod has taken the name: its networks say nothing about this container", {
        uid: details.uid,
      });
      return unknown;
    }
    return { annotations: details.annotations, podObject: { ...pod, uid: details.uid } };
  } catch (error) {
    chain.log.error("the pod cannot be looked up", { error: errorText(error) });
    return unknown;
  }
}

/** The networks that the pod would get today. Without its annotations, or with one that leads nowhere, and where something is there to be undone: the cluster's own. */
async function remade(
  call: Call,
  sandbox: Sandbox,
  options: RecoverOptions,
  hasTraces: boolean,
): Promise<readonly Attachment[]> {
  const { netconf, cluster, chain, pause } = call;
  const { pod, ifName: clusterIfName } = sandbox;
  const known = await knownPod(call, sandbox, options);
  const podInCluster = { cluster, pod, podObject: known.podObject };
  const nads = nadsWithEvents(call.nads, podInCluster, chain, pause.signal);
  for (const annotations of [known.annotations, hasTraces ? {} : undefined]) {
    if (annotations === undefined) continue;
    try {
      const plan = makePlan(options.catalog, { netconf, pod, annotations, nads, toBeUndone: true });
      const found = await pause(withinPatience(plan, "the pod's networks"));
      const delegates = await delegatesWithVersions(call, sandbox, found, true);
      return delegates.map((delegate, place) => ({
        ...delegate,
        ifName: interfaceName(delegate.request, place, clusterIfName),
        place,
      }));
    } catch (error) {
      chain.log.error("cannot rebuild the pod's plan", { error: errorText(error) });
    }
  }
  return [];
}

/**
 * A network made again may have changed since ADD: the cache knows what it was then. Only the plugins of a list's subdirectory are not in
 * a cache that Go multus wrote.
 * @param isGuess nothing but the cache can say that it was ever attached
 */
function withCached(
  call: Call,
  attachment: Attachment,
  results: readonly CachedAttachment[],
  isGuess: boolean,
): Attachment {
  const { network, ifName } = attachment;
  const cached = results.find((result) => isAttachmentOf(result, { networkName: network.name, ifName }));
  const then = cached && cachedConfiguration(call, cached);
  if (then !== undefined) return { ...attachment, cached, network: withFurtherPlugins(call, then, network) };
  return { ...attachment, cached, ...(isGuess ? { isGuessed: true as const } : {}) };
}

/** The cache does not keep the order of the ADDs: the cluster network's interface is first, then they go by name, net2 before net10. */
function inOrder(cached: readonly CachedAttachment[], clusterIfName: string): CachedAttachment[] {
  return cached.toSorted(
    (left, right) =>
      Number(right.ifName === clusterIfName) - Number(left.ifName === clusterIfName) ||
      left.ifName.localeCompare(right.ifName, "en", { numeric: true }),
  );
}
