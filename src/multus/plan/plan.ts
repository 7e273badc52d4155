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
import type { DeviceWish } from "./devices.ts";
import type { FoundNetwork, NetworkCatalog, ReportedNads } from "./networks.ts";
import { PlanSize } from "./plan-size.ts";

interface PlanInput {
  readonly netconf: Netconf;
  readonly pod: PodReference;
  /** The pod's; undefined where nothing is known of it. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly nads: ReportedNads;
  /**
   * Hands out the pod's devices for all wishes of the plan, in its order; asked once, and only where there is a wish. undefined: no network gets a device, as where the networks are made again to be
   * taken away.
   * @returns in the order of the wishes; undefined for a network that needs no device
   * @throws {CniError | InputError} where they are too few or not known
   */
  readonly assignDevices?: (wishes: readonly DeviceWish[]) => Promise<readonly (string | undefined)[]>;
  /** The networks are only made again to be taken away: those that would be refused count too. */
  readonly toBeUndone?: boolean;
}

/** A delegate of a plan that is being made. */
interface FoundDelegate extends Delegate, Pick<FoundNetwork, "where" | "wantedResource"> {}

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
    return await withDevices(catalog, input, delegates);
  } catch (error) {
    throw podError(error, pod);
  }
}

/** The delegates, with the devices that their NetworkAttachmentDefinitions want. @throws {CniError | InputError} as assignDevices; 7 where the plan becomes too large with them */
async function withDevices(
  catalog: NetworkCatalog,
  { assignDevices, nads }: PlanInput,
  found: readonly FoundDelegate[],
): Promise<Delegate[]> {
  const wishes = found.flatMap(({ name: network, wantedResource: resourceName, request }) =>
    resourceName === undefined ? [] : [{ network, resourceName, deviceId: request.deviceID }],
  );
  // Most pods: the plan is counted already.
  if (assignDevices === undefined || wishes.length === 0) return found.map(withoutWish);
  const assigned = await assignDevices(wishes);
  const size = new PlanSize();
  const delegates: Delegate[] = [];
  let next = 0;
  for (const one of found) {
    const { where, wantedResource } = one;
    const delegate = withoutWish(one);
    const deviceID = wantedResource === undefined ? undefined : assigned[next++];
    const { length } = delegate.network.bytes;
    const added =
      deviceID === undefined
        ? undefined
        : await nads.largeWork.run(length, () => {
            const network = catalog.withDevice(delegate.network, deviceID, where);
            const request = { ...delegate.request, deviceID };
            return size.add({ ...delegate, network, request, resourceName: wantedResource });
          });
    delegates.push(added ?? size.add(delegate));
  }
  return delegates;
}

function withoutWish({ where: _where, wantedResource: _wanted, ...delegate }: FoundDelegate): Delegate {
  return delegate;
}

/** @throws {CniError} 7 where Multus is one of its plugins, or what is none */
function delegateOf(
  found: FoundNetwork,
  request: AttachmentRequest,
  { netconf, toBeUndone = false }: Pick<PlanInput, "netconf" | "toBeUndone">,
): FoundDelegate {
  if (!toBeUndone) refuseOwnPlugins(found.network, found.where, netconf.type);
  return { ...found, request };
}

/** The networks that do not depend on the pod's selections. The first is the cluster network. */
async function baseNetworks(catalog: NetworkCatalog, input: PlanInput): Promise<FoundDelegate[]> {
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
async function replacedCluster(
  catalog: NetworkCatalog,
  input: PlanInput,
): Promise<FoundDelegate | undefined> {
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
): Promise<FoundDelegate[]> {
  const annotation = input.annotations?.[networksAnnotation] ?? "";
  if (annotation === "") return [];
  const { pod } = input;
  if (pod.namespace === "") {
    throw environmentError(
      `annotation ${networksAnnotation} selects networks, but CNI_ARGS has no K8S_POD_NAMESPACE`,
    );
  }
  const delegates: FoundDelegate[] = [];
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
): Promise<FoundDelegate> {
  const { netconf, pod, nads } = input;
  const { name, namespace, cniArgs, request } = selection;
  try {
    const found = await catalog.selected(namespace, name, cniArgs, netconf, nads);
    return await nads.largeWork.run(found.network.bytes.length, () =>
      reported(nads, () => delegateOf(found, request, input)),
    );
  } catch (error) {
    throw podError(error, pod, `${namespace}/${name}`);
  }
}

/** A problem of a NetworkAttachmentDefinition becomes an event of the pod. */
function reported(nads: ReportedNads, work: () => FoundDelegate): FoundDelegate {
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
