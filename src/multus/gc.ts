/** GC: what the runtime no longer counts valid is undone, and every network's plugins are told what is left (behaviour page, section 9; CNI spec, "GC"). */

import type { CachedAttachment } from "../cni/cache.ts";
import { gcNetworkList } from "../cni/chain.ts";
import { parseNetworkConfig } from "../cni/config.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { objectMembers, parseJson } from "../cni/json.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import type { RequestContext } from "./context.ts";
import { usualClusterIfName } from "./delegate.ts";
import { deleteAttachments, oneError } from "./detach.ts";
import { plannedContainers, removePlan } from "./plan-file.ts";
import { pluginArgs } from "./plugin-environment.ts";
import { podReference } from "./pod.ts";
import { recoverAttachments } from "./recover.ts";
import { clusterNetwork } from "./status-command.ts";

/**
 * Collects what is stale on this node.
 * @param busy containers that a request is being worked on for: what is found of them is not stale
 * @throws {CniError} all that failed in one
 */
export async function collectGarbage(context: RequestContext, busy: ReadonlySet<string>): Promise<void> {
  const { netconf, chain, path } = context;
  const valid = validContainers(context.request.config);
  const errors: CniError[] = [];
  const cached = chain.cache.list();
  const containers = new Set([
    ...cached.map(({ containerId }) => containerId),
    ...plannedContainers(netconf.cniDir),
  ]);
  const stale = new Set([...containers].filter((id) => !valid.has(id) && !busy.has(id)));
  for (const containerId of stale) {
    if (busy.has(containerId)) {
      stale.delete(containerId);
      continue;
    }
    const own = cached.filter((attachment) => attachment.containerId === containerId);
    errors.push(...(await dropContainer(context, containerId, own)));
  }
  for (const network of await networksOf(context, cached)) {
    // Looked up for each network anew: an ADD may have come meanwhile.
    const attachments = chain.cache
      .list()
      .filter((attachment) => attachment.networkName === network.name && !stale.has(attachment.containerId))
      .map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }));
    try {
      await gcNetworkList(chain, network, path, attachments);
    } catch (error) {
      errors.push(
        error instanceof CniError
          ? error
          : new CniError(CniErrorCode.internal, String(error), "", { cause: error }),
      );
    }
  }
  const failure = oneError(errors);
  if (failure !== undefined) {
    throw failure;
  }
}

/** Containers with an attachment that the runtime counts valid. @throws {CniError} 7 without a list of them */
function validContainers(config: Uint8Array): Set<string> {
  const key = "cni.dev/valid-attachments";
  const members = objectMembers(config, "netconf on stdin");
  const list = members.get(key) ?? members.get("cni.dev/attachments");
  const attachments: unknown = list === undefined ? undefined : parseJson(list, key);
  if (!Array.isArray(attachments)) {
    throw new CniError(CniErrorCode.invalidNetworkConfig, `GC needs ${key}: a list of attachments`);
  }
  const containers = attachments.map((attachment: unknown, index) => {
    const containerId: unknown =
      typeof attachment === "object" && attachment !== null
        ? Reflect.get(attachment, "containerID")
        : undefined;
    if (typeof containerId !== "string") {
      throw new CniError(CniErrorCode.invalidNetworkConfig, `${key}[${index}].containerID is not a text`);
    }
    return containerId;
  });
  return new Set(containers);
}

/** Takes away what a container still has, but for networks that want no garbage collection. */
async function dropContainer(
  context: RequestContext,
  containerId: string,
  cached: readonly CachedAttachment[],
): Promise<readonly CniError[]> {
  const known = cached[0];
  const args = known?.args ?? [];
  const pod = podReference(args);
  const stale: RequestContext = {
    ...context,
    request: {
      ...context.request,
      containerId,
      netns: known?.netns ?? "",
      ifName: usualClusterIfName,
    },
    pod,
    annotations: undefined,
    args: pluginArgs(pod, args),
    log: context.log.with({ container: containerId }),
  };
  const { attachments, hasPlan } = await recoverAttachments(stale, {
    neverStarted: true,
    podCanBeAsked: false,
    withUnplanned: true,
  });
  const collected = attachments.filter(({ network }) => !network.disableGC);
  const errors = await deleteAttachments(stale, collected);
  for (const { networkName, ifName } of cached) {
    if (!attachments.some((known) => known.network.name === networkName && known.ifName === ifName)) {
      // Nothing can be made of it, now or later.
      context.chain.cache.remove({ networkName, containerId, ifName });
    }
  }
  if (hasPlan && errors.length === 0 && collected.length === attachments.length) {
    removePlan(context.netconf.cniDir, containerId);
  }
  return errors;
}

/** The networks that this node had state of, and the cluster network. */
async function networksOf(
  context: RequestContext,
  cached: readonly CachedAttachment[],
): Promise<NetworkConfigList[]> {
  const networks = new Map<string, NetworkConfigList>();
  try {
    const { network } = await clusterNetwork(context);
    networks.set(network.name, network);
  } catch (error) {
    context.log.error("GC without the cluster network", { error: String(error) });
  }
  for (const { networkName, config } of cached) {
    if (networks.has(networkName)) {
      continue;
    }
    try {
      const where = `network ${networkName} of the result cache`;
      const { cniVersion } = context.netconf;
      const network = parseNetworkConfig(config, where, context.chain.kernels, {
        cniVersion,
        toBeUndone: true,
      });
      networks.set(networkName, network);
    } catch (error) {
      context.log.error("GC passes over an attachment", { error: String(error) });
    }
  }
  return [...networks.values()];
}
