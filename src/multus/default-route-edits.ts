/** Carries out what selections ask with `default-route`: in the kernel, and in the cached results (docs/behaviour.md, "Default routes"). */

import { podError } from "./input/pod-error.ts";
import {
  type AskedRoutes,
  type DefaultRouteEdit,
  defaultRouteEdit,
  laterEdits,
} from "./plan/default-route.ts";
import type { Attachment } from "./request/attachment.ts";
import type { Call } from "./request/call.ts";

export interface AttachedNetwork extends Attachment {
  /** As it is in the result cache, JSON text. */
  readonly result: Uint8Array;
  /** A JSON object; undefined: the attachment has no device, or nothing is told of it. */
  readonly deviceInfo: Uint8Array | undefined;
}

/** For a network that has just been attached: sets its default routes as selections with gateways ask. @returns the network with its result as it is now @throws {CniError} */
export async function editDefaultRoutes(
  call: Call,
  network: AttachedNetwork,
  asked: AskedRoutes,
): Promise<AttachedNetwork> {
  const edit = defaultRouteEdit(network, asked);
  return edit === undefined ? network : await edited(call, network, edit);
}

/**
 * When all are attached: the default routes of the others go where a network that is selected with an empty list has brought one.
 * @returns the networks with their results as they are now
 * @throws {CniError} naming the pod and the network
 */
export async function giveWay(
  call: Call,
  attached: readonly AttachedNetwork[],
  asked: AskedRoutes,
): Promise<readonly AttachedNetwork[]> {
  const { clear, from, set } = laterEdits(attached, asked);
  if (clear.length === 0) return attached;
  const changed = new Map<AttachedNetwork, AttachedNetwork>();
  for (const network of from) {
    const work = edited(call, network, { clear, add: [] });
    changed.set(network, await ofNetwork(call, network, work));
  }
  for (const { attached: network, edit } of set) {
    await ofNetwork(call, network, setRoutes(call, network, edit));
  }
  return attached.map((network) => changed.get(network) ?? network);
}

async function ofNetwork<Result>(
  { sandbox }: Call,
  { name }: AttachedNetwork,
  work: Promise<Result>,
): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw podError(error, sandbox.pod, name);
  }
}

function setRoutes(
  { chain, sandbox }: Call,
  { ifName }: AttachedNetwork,
  { clear, add }: DefaultRouteEdit,
): Promise<void> {
  return chain.executor.setDefaultRoutes(sandbox.netns, ifName, clear, add);
}

/** Sets the interface's default routes in the kernel and in the cached result. A network without an interface has none. */
async function edited(
  call: Call,
  attached: AttachedNetwork,
  edit: DefaultRouteEdit,
): Promise<AttachedNetwork> {
  const { ifName, network } = attached;
  const { chain, sandbox } = call;
  if (!chain.kernels.outlineResult(attached.result).isAttachment) return attached;
  await setRoutes(call, attached, edit);
  const result = chain.kernels.convertResult({
    result: attached.result,
    configVersion: network.cniVersion,
    targetVersion: undefined,
    defaultRoutes: {
      removeIPv4: edit.clear.includes(4),
      removeIPv6: edit.clear.includes(6),
      add: edit.add,
    },
  });
  const key = { networkName: network.name, containerId: sandbox.containerId, ifName };
  const cached = chain.cache.read(key);
  if (cached !== undefined) chain.cache.write({ ...cached, result });
  return { ...attached, result };
}
