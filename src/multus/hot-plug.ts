/**
 * One attachment of a pod that runs: plugged in, checked and taken out by a controller, with a network that it brings itself (docs/behaviour.md, "HTTP on the socket"). The
 * pod's network-status is the controller's to write, as with Go multus.
 */

import type { CachedAttachment } from "../cni/cache.ts";
import { addNetworkList, checkNetworkList, deleteNetworkList } from "../cni/chain.ts";
import { parseNetworkConfig } from "../cni/config.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { adjustedConfig } from "../cni/kernel-failure.ts";
import { attachmentNameProblem } from "../cni/names.ts";
import type { CniRequest } from "../cni/request.ts";
import type { NetworkConfigList, RuntimeConf } from "../cni/types.ts";
import type { Kernels } from "../kernels/index.ts";
import { sendAddedInterface } from "./cluster/network-status.ts";
import { findPod } from "./cluster/pod-lookup.ts";
import { type InterfaceAttributes, parseInterfaceAttributes } from "./input/interface-attributes.ts";
import { refuseOwnPlugins } from "./input/own-plugin.ts";
import { hasName } from "./input/pod.ts";
import { podError } from "./input/pod-error.ts";
import { checkCniArgs, checkResultBytes } from "./input/sizes.ts";
import type { Delegate } from "./plan/delegate.ts";
import {
  type Attachment,
  executorErrorCode,
  type RequestContext,
  runtimeConf,
  timed,
} from "./request/context.ts";
import { networkWithVersion } from "./request/network-version.ts";
import { withAddressArgs } from "./request/plugin-environment.ts";
import { inPhase } from "./request/report.ts";
import { cachedConfiguration, wholeConfiguration } from "./state/configuration-then.ts";
import type { PlanEntry } from "./state/plan-decoding.ts";
import { addToPlan, plannedInterface, plannedNetwork, readPlan, removeFromPlan } from "./state/plan-file.ts";
import { undoAttachment } from "./undo.ts";

/** One call. Its `config` is the network's, and `ifName` the one interface that it is about. */
export interface DelegateRequest extends CniRequest {
  /** `interfaceAttributes`, JSON text; undefined: none came. */
  readonly attributes: Uint8Array | undefined;
}

/** A network that came with a request, and what is asked for it. */
export interface PluggedNetwork {
  readonly network: NetworkConfigList;
  readonly attributes: InterfaceAttributes;
}

/** The attributes are for ADD alone: nothing that they say may stand in the way of a DEL. @throws {CniError} 6, 7, 1 saying what is wrong, and where */
export function pluggedNetwork(
  { command, config, attributes: bytes }: DelegateRequest,
  kernels: Kernels,
): PluggedNetwork {
  const where = "config of the request";
  const attributes = command === "ADD" ? parseInterfaceAttributes(bytes) : {};
  const network = parseNetworkConfig(config, where, kernels, { toBeUndone: command === "DEL" });
  if (command !== "DEL") refuseOwnPlugins(network, where);
  const { cniArgs } = attributes;
  if (cniArgs === undefined) return { network, attributes };
  checkCniArgs(network, cniArgs, where);
  const adjusted = adjustedConfig(kernels, { config: network.bytes, cniArgs }, where);
  return { network: parseNetworkConfig(adjusted, where, kernels), attributes };
}

/**
 * ADD. The network is in the pod's plan before its first plugin runs, so that the pod's own DEL takes it away as well, ours or Go multus's, also where the daemon is killed
 * meanwhile. Of a pod without a whole plan DEL goes by the result cache: there it is before, still without a result.
 * @param onStarted called when there may be something to undo
 * @returns the result as the last plugin printed it, JSON text
 * @throws {CniError} naming the pod and the network; nothing is left behind then
 */
export async function plug(
  context: RequestContext,
  { network: asBrought, attributes }: PluggedNetwork,
  onStarted: () => void,
): Promise<Uint8Array> {
  const known = await withPod(context);
  const { request, chain, report } = known;
  // Plan and cache have to say what it was plugged in with.
  const network = await networkWithVersion(known, asBrought);
  const { ifName } = request;
  const { ips, mac } = attributes;
  const delegate: Delegate = {
    name: network.name,
    network,
    isCluster: false,
    request: { ifName, ips, mac },
    isChainFile: false,
  };
  const attachment: Attachment = { ...delegate, ifName };
  const runtime = runtimeConf(known, attachment, withAddressArgs(known.args, attachment.request));
  // The entry is in a file of that name.
  const problem = attachmentNameProblem(network.name, request.containerId, ifName);
  if (problem !== undefined) {
    throw podError(new CniError(CniErrorCode.invalidNetworkConfig, problem), known.pod, network.name);
  }
  const strike = await inPhase(report, "plan-file", () => noteDown(known, delegate, runtime));
  onStarted();
  try {
    return await inPhase(report, "delegates", async () => {
      const result = await timed(report, attachment, () =>
        addNetworkList(chain, network, runtime, { refuseExistingLink: true }),
      );
      checkResultBytes(result.length);
      sendAddedInterface(known, attachment.name, ifName, result);
      return result;
    });
  } catch (error) {
    await inPhase(report, "undo", async () => {
      // Where the link is there already nothing of it ran, and the link may be that of this network.
      if (executorErrorCode(error) === "link-exists") strike();
      else if ((await undoAttachment(known, attachment)) === "undone") forget(known, network.name);
    });
    throw podError(error, known.pod, attachment.name);
  }
}

/**
 * DEL of exactly this attachment. One that nothing is known of is undone with what the request says, as a plugin must stand it.
 * @throws {CniError} 7 where the interface is another network's, or the cluster network's; whatever the first plugin says that fails. It stays in the plan then
 */
export async function unplug(context: RequestContext, { network }: PluggedNetwork): Promise<void> {
  const { report, pod } = context;
  const attachment = await asPlugged(context, network);
  if (findPlace(context, network.name) === 0) {
    throw new CniError(
      CniErrorCode.invalidNetworkConfig,
      `${attachment.ifName} is the interface of the pod's cluster network, which only the runtime's DEL takes away`,
    );
  }
  try {
    await inPhase(report, "delegates", () =>
      timed(report, attachment, () =>
        deleteNetworkList(context.chain, attachment.network, runtimeConf(context, attachment)),
      ),
    );
  } catch (error) {
    throw podError(error, pod, attachment.name);
  }
  await inPhase(report, "plan-file", () => forget(context, network.name));
}

/** CHECK of this attachment with its cached result. @throws {CniError} 3 where there is none; the first plugin's that fails */
export async function checkPlugged(context: RequestContext, { network }: PluggedNetwork): Promise<void> {
  const { request, report, pod, netconf } = context;
  const attachment = await asPlugged(context, network);
  if (cachedOf(context, network.name)?.result === undefined) {
    throw new CniError(
      CniErrorCode.unknownContainer,
      `there is no result of network ${network.name} at ${request.ifName} of container ${request.containerId} in ${netconf.cniDir}`,
    );
  }
  try {
    await inPhase(report, "delegates", () =>
      timed(report, attachment, () =>
        checkNetworkList(context.chain, attachment.network, runtimeConf(context, attachment)),
      ),
    );
  } catch (error) {
    throw podError(error, pod, attachment.name);
  }
}

/** The context with the pod as an object of the cluster, which the event is about. @throws {CniError} 4 where there is no such pod, 11 where nobody can tell */
async function withPod(context: RequestContext): Promise<RequestContext> {
  const { cluster, pod, report, log } = context;
  if (cluster === undefined || !hasName(pod)) return context;
  const found = await inPhase(report, "pod-lookup", () =>
    context.pause(findPod(cluster.pods, pod, undefined, log)),
  );
  if (found?.object === undefined) {
    throw new CniError(
      CniErrorCode.invalidEnvironment,
      `CNI_ARGS: there is no pod ${pod.namespace}/${pod.name} in the cluster`,
    );
  }
  return { ...context, podObject: found.object };
}

/**
 * Leaves word of an attachment where the pod's DEL looks, before anything of it runs: in the plan; where there is no whole one, in the result cache.
 * @returns takes back what this call has noted; what was there before, of a network that was plugged in or whose ADD was killed, stays
 * @throws {CniError} 5; 7 a configuration that does not go into the plan
 */
function noteDown(context: RequestContext, delegate: Delegate, runtime: RuntimeConf): () => void {
  const { chain, netconf } = context;
  const { network } = delegate;
  const { containerId, ifName, netns, args, capabilityArgs } = runtime;
  if (findPlace(context, network.name) !== undefined) return () => {};
  if (addToPlan(netconf.cniDir, containerId, delegate)) return () => forget(context, network.name);
  if (cachedOf(context, network.name) !== undefined) return () => {};
  const key = { networkName: network.name, containerId, ifName };
  chain.cache.write({ ...key, config: network.bytes, netns, args, capabilityArgs, result: undefined });
  return () => chain.cache.remove(key);
}

/** The place of the network at the request's interface in the pod's plan; undefined: it is not in it. */
function findPlace({ netconf, request }: RequestContext, networkName: string): number | undefined {
  const entries = readPlan(netconf.cniDir, request.containerId)?.entries ?? [];
  const place = placeOf(entries, request.ifName, networkName);
  return place < 0 ? undefined : place;
}

/** -1: there is no such entry. */
function placeOf(entries: readonly PlanEntry[], ifName: string, networkName: string): number {
  return entries.findIndex(
    (entry, place) => plannedInterface(entry, place) === ifName && plannedNetwork(entry) === networkName,
  );
}

/** Takes the attachment out of the plan, if it is in it. */
function forget(context: RequestContext, networkName: string): void {
  const place = findPlace(context, networkName);
  if (place !== undefined) removeFromPlan(context.netconf.cniDir, context.request.containerId, place);
}

function cachedOf({ chain, request }: RequestContext, networkName: string): CachedAttachment | undefined {
  const { containerId, ifName } = request;
  return chain.cache.read({ networkName, containerId, ifName });
}

/**
 * The attachment as it was plugged in: plan and cache know which configuration it had then, and the cache which capability arguments. The form that Go's types kept of a configuration says less
 * than the request's own.
 * @throws {CniError} 7 where the interface is another network's: it would lose its link
 */
async function asPlugged(context: RequestContext, network: NetworkConfigList): Promise<Attachment> {
  const { request, netconf, chain } = context;
  const { containerId, ifName } = request;
  const cachedOnes = await chain.cache.list(containerId);
  const entries = readPlan(netconf.cniDir, containerId)?.entries ?? [];
  const owners = [
    ...cachedOnes.flatMap((cached) => (cached.ifName === ifName ? cached.networkName : [])),
    ...entries.flatMap((entry, place) =>
      plannedInterface(entry, place) === ifName ? plannedNetwork(entry) : [],
    ),
  ];
  if (owners.length > 0 && !owners.includes(network.name)) {
    throw new CniError(
      CniErrorCode.invalidNetworkConfig,
      `${ifName} of container ${containerId} belongs to network ${owners[0]}, not to ${network.name}`,
    );
  }
  const planned = entries[placeOf(entries, ifName, network.name)];
  const cached = cachedOf(context, network.name);
  const then =
    (planned && wholeConfiguration(context, planned)) ?? (cached && cachedConfiguration(context, cached));
  return {
    name: network.name,
    ifName,
    network: then ?? (await networkWithVersion(context, network, { isForgiving: true })),
    request: {},
    knownCapabilityArgs: cached?.capabilityArgs,
  };
}
