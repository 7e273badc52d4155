/**
 * One attachment of a pod that runs: plugged in, checked and taken out by a controller, with a network that it brings itself (docs/behaviour.md, "HTTP on the socket"). The
 * pod's network-status is the controller's to write, as with Go multus.
 */

import { addNetworkList } from "../cni/chain.ts";
import { parseNetworkConfig } from "../cni/config.ts";
import { CniError, CniErrorCode, configError, environmentError } from "../cni/errors.ts";
import { adjustedConfig } from "../cni/kernel-failure.ts";
import { attachmentNameProblem } from "../cni/names.ts";
import { executorErrorCode } from "../cni/plugin-failure.ts";
import type { CniRequest } from "../cni/request.ts";
import type { NetworkConfigList, RuntimeConf } from "../cni/types.ts";
import type { Kernels } from "../kernels/index.ts";
import { checkByPlugins } from "./check.ts";
import { sendAddedInterface } from "./cluster/network-status.ts";
import { sendNotAttached } from "./cluster/not-attached.ts";
import { deleteAttachments, undo } from "./detach.ts";
import { type InterfaceAttributes, parseInterfaceAttributes } from "./input/interface-attributes.ts";
import { refuseOwnPlugins } from "./input/own-plugin.ts";
import { podError } from "./input/pod-error.ts";
import { checkCniArgs, checkResultBytes } from "./input/sizes.ts";
import { type Delegate, isClusterNetwork } from "./plan/delegate.ts";
import { type Attachment, runtimeConf, timed } from "./request/attachment.ts";
import type { Call } from "./request/call.ts";
import { lookUpPod } from "./request/known-pod.ts";
import { networkWithVersion } from "./request/network-version.ts";
import { withAddressArgs } from "./request/plugin-environment.ts";
import { inPhase } from "./request/report.ts";
import { cachedConfiguration, wholeConfiguration } from "./state/configuration-then.ts";
import {
  type ContainerAttachment,
  isAttachmentOf,
  readContainer,
  unplannedAttachments,
} from "./state/container.ts";
import { addToPlan, removeFromPlan } from "./state/plan-file.ts";

/** One call. Its `config` is the network's, and `ifName` the one interface that it is about. */
export interface DelegateRequest extends CniRequest {
  /** `interfaceAttributes`, JSON text; undefined: none came. */
  readonly attributes: Uint8Array | undefined;
}

/** A network that came with a request, and what is asked for it. */
interface PluggedNetwork {
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
 * @throws {CniError} naming the pod and the network; 4 where there is no such pod, 11 where nobody can tell; nothing is left behind then
 */
export async function plug(
  call: Call,
  { network: asBrought, attributes }: PluggedNetwork,
  onStarted: () => void,
): Promise<Uint8Array> {
  const { sandbox, cluster, chain, report } = call;
  const { pod, ifName } = sandbox;
  const found = await lookUpPod(call, undefined);
  const podObject = found === "gone" ? undefined : found?.object;
  if (found !== undefined && podObject === undefined) {
    throw environmentError(`CNI_ARGS: there is no pod ${pod.namespace}/${pod.name} in the cluster`);
  }
  // Plan and cache have to say what it was plugged in with.
  const network = await networkWithVersion(call, sandbox, asBrought);
  const { name } = network;
  const { ips, mac } = attributes;
  const delegate: Delegate = { name, network, request: { ifName, ips, mac }, isChainFile: false };
  const attachment: Attachment = { ...delegate, ifName };
  const args = withAddressArgs(sandbox.args, attachment.request);
  const runtime = runtimeConf(call, { ...sandbox, args }, attachment);
  // The entry is in a file of that name.
  const problem = attachmentNameProblem(name, sandbox.containerId, ifName);
  if (problem !== undefined) {
    throw podError(configError(problem), pod, name);
  }
  const strike = await inPhase(report, "plan-file", () => noteDown(call, delegate, runtime));
  onStarted();
  try {
    return await inPhase(report, "delegates", async () => {
      const result = await timed(report, attachment, () =>
        addNetworkList(chain, network, runtime, { refuseExistingLink: true }),
      );
      checkResultBytes(result.length);
      sendAddedInterface({ cluster, pod, podObject }, chain.kernels, name, ifName, result);
      return result;
    });
  } catch (error) {
    sendNotAttached({ cluster, pod, podObject }, attachment, error);
    await inPhase(report, "undo", async () => {
      // Where the link is there already nothing of it ran, and the link may be that of this network.
      if (executorErrorCode(error) === "link-exists") strike();
      else if (await undo(call, [attachment])) forget(call, name);
    });
    throw podError(error, pod, name);
  }
}

/**
 * DEL of exactly this attachment. One that nothing is known of is undone with what the request says, as a plugin must stand it.
 * @throws {CniError} 7 where the interface is another network's, or the cluster network's; whatever the first plugin says that fails. It stays in the plan then
 */
export async function unplug(call: Call, { network }: PluggedNetwork): Promise<void> {
  const { sandbox, report } = call;
  const attachment = await asPlugged(call, network);
  if (attachment.place !== undefined && isClusterNetwork(attachment.place)) {
    throw configError(
      `${attachment.ifName} is the interface of the pod's cluster network, which only the runtime's DEL takes away`,
    );
  }
  const [failure] = await inPhase(report, "delegates", () => deleteAttachments(call, sandbox, [attachment]));
  if (failure !== undefined) throw failure;
  await inPhase(report, "plan-file", () => forget(call, network.name));
}

/** CHECK of this attachment with its cached result. @throws {CniError} 3 where there is none; the first plugin's that fails */
export async function checkPlugged(call: Call, { network }: PluggedNetwork): Promise<void> {
  const { sandbox, report, netconf } = call;
  const attachment = await asPlugged(call, network);
  if (attachment.cached?.result === undefined) {
    throw new CniError(
      CniErrorCode.unknownContainer,
      `there is no result of network ${network.name} at ${sandbox.ifName} of container ${sandbox.containerId} in ${netconf.cniDir}`,
    );
  }
  await inPhase(report, "delegates", () => checkByPlugins(call, attachment));
}

/**
 * Leaves word of an attachment where the pod's DEL looks, before anything of it runs: in the plan; where there is no whole one, in the result cache.
 * @returns takes back what this call has noted; what was there before, of a network that was plugged in or whose ADD was killed, stays
 * @throws {CniError} 5; 7 a configuration that does not go into the plan
 */
function noteDown(call: Call, delegate: Delegate, runtime: RuntimeConf): () => void {
  const { cache } = call.chain;
  const { network } = delegate;
  const { containerId, ifName, netns, args, capabilityArgs } = runtime;
  if (plannedAs(call, network.name) !== undefined) return () => {};
  if (addToPlan(call.netconf.cniDir, containerId, delegate)) return () => forget(call, network.name);
  const key = { networkName: network.name, containerId, ifName };
  if (cache.read(key) !== undefined) return () => {};
  cache.write({ ...key, config: network.bytes, netns, args, capabilityArgs, result: undefined });
  return () => cache.remove(key);
}

function planned({ netconf, sandbox, chain }: Call): readonly ContainerAttachment[] {
  return readContainer(netconf.cniDir, sandbox.containerId, chain).attachments;
}

/** The place of the network at the request's interface in the pod's plan; undefined: it is not in it. */
function plannedAs(call: Call, networkName: string): number | undefined {
  const { ifName } = call.sandbox;
  return planned(call).find((one) => isAttachmentOf(one, { networkName, ifName }))?.planned?.place;
}

/** Takes the attachment out of the plan, if it is in it. */
function forget(call: Call, networkName: string): void {
  const place = plannedAs(call, networkName);
  if (place !== undefined) removeFromPlan(call.netconf.cniDir, call.sandbox.containerId, place);
}

/**
 * The attachment as it was plugged in: plan and cache know which configuration it had then, and the cache which capability arguments. The form that Go's types kept of a configuration says less
 * than the request's own.
 * @throws {CniError} 7 where the interface is another network's: it would lose its link
 */
async function asPlugged(call: Call, network: NetworkConfigList): Promise<Attachment> {
  const { sandbox, chain } = call;
  const { containerId, ifName } = sandbox;
  const inPlan = planned(call);
  const unplanned = unplannedAttachments(inPlan, await chain.cache.list(containerId));
  const owners = [...unplanned, ...inPlan].filter((one) => one.ifName === ifName);
  const own = owners.find(({ networkName }) => networkName === network.name);
  if (owners[0] !== undefined && own === undefined) {
    throw configError(
      `${ifName} of container ${containerId} belongs to network ${owners[0].networkName}, not to ${network.name}`,
    );
  }
  const cached = own?.cached;
  const then = (own && wholeConfiguration(call, own)) ?? (cached && cachedConfiguration(call, cached));
  return {
    name: network.name,
    ifName,
    network: then ?? (await networkWithVersion(call, sandbox, network, true)),
    request: {},
    place: own?.planned?.place,
    cached,
  };
}
