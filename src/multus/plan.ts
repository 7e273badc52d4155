/** The plan: which networks a pod gets, in order (behaviour page, sections 3 and 4). */

import { CniError, CniErrorCode } from "../cni/errors.ts";
import { checkDefaultRoutes } from "./default-route.ts";
import type { AttachmentRequest, Delegate } from "./delegate.ts";
import type { Netconf } from "./netconf.ts";
import type { FoundNetwork, NetworkCatalog, ReportedNads } from "./networks.ts";
import type { PodReference } from "./pod.ts";
import { podError } from "./pod-error.ts";
import {
  defaultNetworkAnnotation,
  type NetworkSelection,
  networksAnnotation,
  parseDefaultNetworkSelection,
  parseNetworkSelections,
} from "./selection.ts";

/** What a plan is made from. */
export interface PlanInput {
  readonly netconf: Netconf;
  readonly pod: PodReference;
  /** The pod's; undefined where nothing is known of it. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly nads: ReportedNads;
}

/**
 * Makes a pod's plan: cluster network, default networks, the pod's selections, the auxiliary chain.
 * @throws {CniError} with the pod and the network in its text
 */
export async function makePlan(catalog: NetworkCatalog, input: PlanInput): Promise<Delegate[]> {
  const { netconf, pod } = input;
  try {
    const delegates = [...(await baseNetworks(catalog, input)), ...(await selectedNetworks(catalog, input))];
    checkDefaultRoutes(delegates);
    const auxiliary = netconf.auxiliaryCniChainName === "" ? undefined : catalog.auxiliary(netconf);
    if (auxiliary !== undefined) {
      delegates.push(delegateOf(auxiliary, {}));
    }
    return delegates;
  } catch (error) {
    throw podError(error, pod);
  }
}

function delegateOf(found: FoundNetwork, request: AttachmentRequest, isCluster = false): Delegate {
  return { ...found, request, isCluster };
}

/** The networks that do not depend on the pod's selections. The first is the cluster network. */
async function baseNetworks(catalog: NetworkCatalog, input: PlanInput): Promise<Delegate[]> {
  const { netconf, pod, nads } = input;
  const replacement = await replacedCluster(catalog, input);
  if (netconf.clusterNetwork === "") {
    return netconf.delegates.map((config, index) =>
      index === 0 && replacement !== undefined
        ? replacement
        : delegateOf(catalog.inline(config, index, netconf), {}, index === 0),
    );
  }
  const cluster =
    replacement ??
    delegateOf(await catalog.named(netconf.clusterNetwork, "clusterNetwork", netconf, nads), {}, true);
  const delegates = [cluster];
  if (!netconf.systemNamespaces.includes(pod.namespace)) {
    for (const [index, name] of netconf.defaultNetworks.entries()) {
      const found = await catalog.named(name, `defaultNetworks[${index}]`, netconf, nads);
      delegates.push(delegateOf(found, {}));
    }
  }
  return delegates;
}

/** The network that the pod's own annotation puts in the cluster network's place. */
async function replacedCluster(catalog: NetworkCatalog, input: PlanInput): Promise<Delegate | undefined> {
  const annotation = input.annotations?.[defaultNetworkAnnotation];
  if (annotation === undefined) {
    return undefined;
  }
  const selection = parseDefaultNetworkSelection(annotation, input.netconf.multusNamespace);
  return selectedNetwork(catalog, selection, input, true);
}

async function selectedNetworks(catalog: NetworkCatalog, input: PlanInput): Promise<Delegate[]> {
  const annotation = input.annotations?.[networksAnnotation] ?? "";
  if (annotation === "") {
    return [];
  }
  const { netconf, pod } = input;
  if (pod.namespace === "") {
    throw new CniError(
      CniErrorCode.invalidEnvironment,
      `annotation ${networksAnnotation} selects networks, but CNI_ARGS has no K8S_POD_NAMESPACE`,
    );
  }
  const delegates: Delegate[] = [];
  for (const selection of parseNetworkSelections(annotation, pod.namespace)) {
    if (
      netconf.namespaceIsolation &&
      selection.namespace !== pod.namespace &&
      !netconf.nonIsolatedNamespaces.includes(selection.namespace)
    ) {
      throw new CniError(
        CniErrorCode.invalidNetworkConfig,
        `network ${selection.namespace}/${selection.name}: namespace isolation is on, and ${selection.namespace} is not one of the namespaces that pods of ${pod.namespace} may take networks from`,
      );
    }
    delegates.push(await selectedNetwork(catalog, selection, input, false));
  }
  return delegates;
}

async function selectedNetwork(
  catalog: NetworkCatalog,
  selection: NetworkSelection,
  { netconf, pod, nads }: PlanInput,
  isCluster: boolean,
): Promise<Delegate> {
  const { name, namespace, cniArgs } = selection;
  try {
    const found = await catalog.selected(namespace, name, { cniArgs }, netconf, nads);
    return delegateOf(found, requestOf(selection), isCluster);
  } catch (error) {
    throw podError(error, pod, `${namespace}/${name}`);
  }
}

function requestOf(selection: NetworkSelection): AttachmentRequest {
  return {
    ifName: selection.interfaceRequest,
    mac: selection.mac,
    infinibandGUID: selection.infinibandGUID,
    ips: selection.ips,
    portMappings: selection.portMappings,
    bandwidth: selection.bandwidth,
    deviceID: selection.deviceID,
    defaultRoute: selection.defaultRoute,
  };
}
