/** The plan: which networks a pod gets, in order (docs/behaviour.md, "From a name to a network" and "Network selection"). */

import { ExpectedError } from "../../base/input-error.ts";
import { configError, environmentError } from "../../cni/errors.ts";
import type { Netconf } from "../input/netconf.ts";
import { refuseOwnPlugins } from "../input/own-plugin.ts";
import type { PodReference } from "../input/pod.ts";
import { podError } from "../input/pod-error.ts";
import {
  type AttachmentRequest,
  defaultNetworkAnnotation,
  type NetworkSelection,
  networksAnnotation,
  parseDefaultNetworkSelection,
  parseNetworkSelections,
} from "../input/selection.ts";
import { checkDefaultRoutes } from "./default-route.ts";
import { type Delegate, isClusterNetwork } from "./delegate.ts";
import type { FoundNetwork, NetworkCatalog, ReportedNads } from "./networks.ts";
import { PlanSize } from "./plan-size.ts";

interface PlanInput {
  readonly netconf: Netconf;
  readonly pod: PodReference;
  /** The pod's; undefined where nothing is known of it. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly nads: ReportedNads;
  /** The networks are only made again to be taken away: those that would be refused count too. */
  readonly toBeUndone?: boolean;
}

/**
 * Makes a pod's plan: cluster network, default networks, the pod's selections, the auxiliary chain.
 * @throws {CniError} with the pod and the network in its text
 */
export async function makePlan(catalog: NetworkCatalog, input: PlanInput): Promise<Delegate[]> {
  const { netconf, pod } = input;
  try {
    const size = new PlanSize();
    const delegates = (await baseNetworks(catalog, input)).map((delegate) => size.add(delegate));
    delegates.push(...(await selectedNetworks(catalog, input, size)));
    checkDefaultRoutes(delegates);
    const auxiliary = netconf.auxiliaryCniChainName === "" ? undefined : catalog.auxiliary(netconf);
    if (auxiliary !== undefined) delegates.push(size.add(delegateOf(auxiliary, {}, input)));
    return delegates;
  } catch (error) {
    throw podError(error, pod);
  }
}

/** @throws {CniError} 7 where Multus is one of its plugins, or what is none */
function delegateOf(
  { where, ...found }: FoundNetwork,
  request: AttachmentRequest,
  { netconf, toBeUndone = false }: Pick<PlanInput, "netconf" | "toBeUndone">,
): Delegate {
  if (!toBeUndone) refuseOwnPlugins(found.network, where, netconf.type);
  return { ...found, request };
}

/** The networks that do not depend on the pod's selections. The first is the cluster network. */
async function baseNetworks(catalog: NetworkCatalog, input: PlanInput): Promise<Delegate[]> {
  const { netconf, pod, nads } = input;
  const replacement = await replacedCluster(catalog, input);
  if (netconf.clusterNetwork === "") {
    return netconf.delegates.map((config, place) =>
      isClusterNetwork(place) && replacement !== undefined
        ? replacement
        : delegateOf(catalog.inline(config, place), {}, input),
    );
  }
  const cluster =
    replacement ??
    delegateOf(await catalog.named(netconf.clusterNetwork, "clusterNetwork", netconf, nads), {}, input);
  const delegates = [cluster];
  if (!netconf.systemNamespaces.includes(pod.namespace)) {
    for (const [index, name] of netconf.defaultNetworks.entries()) {
      const found = await catalog.named(name, `defaultNetworks[${index}]`, netconf, nads);
      delegates.push(delegateOf(found, {}, input));
    }
  }
  return delegates;
}

/** The network that the pod's own annotation puts in the cluster network's place. */
async function replacedCluster(catalog: NetworkCatalog, input: PlanInput): Promise<Delegate | undefined> {
  const annotation = input.annotations?.[defaultNetworkAnnotation];
  if (annotation === undefined) return undefined;
  const { netconf } = input;
  const selection = parseDefaultNetworkSelection(annotation, netconf.multusNamespace);
  // Without a namespace it is a network of multusNamespace, whether isolated or not: the annotation is made for those.
  checkIsolation(selection, input, [netconf.multusNamespace]);
  return selectedNetwork(catalog, selection, input);
}

async function selectedNetworks(
  catalog: NetworkCatalog,
  input: PlanInput,
  size: PlanSize,
): Promise<Delegate[]> {
  const annotation = input.annotations?.[networksAnnotation] ?? "";
  if (annotation === "") return [];
  const { pod } = input;
  if (pod.namespace === "") {
    throw environmentError(
      `annotation ${networksAnnotation} selects networks, but CNI_ARGS has no K8S_POD_NAMESPACE`,
    );
  }
  const delegates: Delegate[] = [];
  for (const selection of parseNetworkSelections(
    annotation,
    pod.namespace,
    input.netconf.maxNetworksPerPod,
  )) {
    checkIsolation(selection, input);
    const delegate = await selectedNetwork(catalog, selection, input);
    const { length } = delegate.network.bytes;
    delegates.push(await input.nads.largeWork.run(length, () => size.add(delegate)));
  }
  return delegates;
}

/**
 * With namespaceIsolation a pod takes networks of its own namespace, and of those that are not isolated.
 * @param further namespaces that this annotation may name as well
 * @throws {CniError} 7
 */
function checkIsolation(
  { namespace, name }: NetworkSelection,
  { netconf, pod }: PlanInput,
  further: readonly string[] = [],
): void {
  if (!netconf.namespaceIsolation) return;
  if ([pod.namespace, ...netconf.nonIsolatedNamespaces, ...further].includes(namespace)) return;
  const pods = pod.namespace === "" ? "this pod, whose namespace is not known," : `pods of ${pod.namespace}`;
  throw configError(
    `network ${namespace}/${name}: namespace isolation is on, and ${namespace} is not one of the namespaces that ${pods} may take networks from`,
  );
}

async function selectedNetwork(
  catalog: NetworkCatalog,
  selection: NetworkSelection,
  input: PlanInput,
): Promise<Delegate> {
  const { netconf, pod, nads } = input;
  const { name, namespace, cniArgs, request } = selection;
  try {
    const found = await catalog.selected(namespace, name, { cniArgs }, netconf, nads);
    return await nads.largeWork.run(found.network.bytes.length, () =>
      reported(nads, () => delegateOf(found, request, input)),
    );
  } catch (error) {
    throw podError(error, pod, `${namespace}/${name}`);
  }
}

/** A problem of a NetworkAttachmentDefinition becomes an event of the pod. */
function reported(nads: ReportedNads, work: () => Delegate): Delegate {
  try {
    return work();
  } catch (error) {
    if (error instanceof ExpectedError) nads.onInvalid(error);
    throw error;
  }
}

/**
 * For an ADD that waits before it makes its plan: refuses a cluster network that is Multus at once, as far as it shows without a request. Any other problem
 * with the networks may be right when the wait is over.
 * @throws {CniError} 7
 */
export function refuseOwnClusterNetwork(catalog: NetworkCatalog, netconf: Netconf): void {
  for (const { network, where } of catalog.atHand(netconf)) refuseOwnPlugins(network, where, netconf.type);
}
