/** CHECK: every attachment of the container with its cached result (docs/behaviour.md, "CHECK"). */

import type { CachedAttachment } from "../cni/cache.ts";
import { checkNetworkList } from "../cni/chain.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { supportsCheck } from "../cni/versions.ts";
import { checkLinks } from "./check-links.ts";
import { oneError } from "./detach.ts";
import { podError } from "./input/pod-error.ts";
import { type Attachment, type RequestContext, timed } from "./request/context.ts";
import { inPhase } from "./request/report.ts";
import { cachedThen, runtimeConfThen } from "./state/configuration-then.ts";
import { recoverAttachments } from "./state/recover.ts";

/**
 * Checks the container's attachments; networks below 0.4.0, or with disableCheck, are passed over. First, in order, the plugins of those that the runtime would run without Multus; then
 * the interfaces of all others are looked at, without their plugins. With `checkDelegates` "all" the plugins of all are run.
 * @throws {CniError} 3 for a container that nothing is known of, or of which no network has a result; else the first plugin's that fails; else 999 with all interfaces that are not as they should be
 */
export async function check(context: RequestContext): Promise<void> {
  const { netconf, request, report } = context;
  const { attachments } = await inPhase(report, "plan", () =>
    recoverAttachments(context, { neverStarted: true, podCanBeAsked: false, withUnplanned: false }),
  );
  if (attachments.length === 0) {
    throw new CniError(
      CniErrorCode.unknownContainer,
      `nothing is known of container ${request.containerId}: no plan and no results in ${netconf.cniDir}`,
    );
  }
  const checkable = attachments.filter(
    ({ network }) => supportsCheck(network.cniVersion) && !network.disableCheck,
  );
  const first = checkable.length > 0 ? firstWithResult(context, attachments) : undefined;
  if (checkable.length > 0 && first === undefined) {
    throw new CniError(
      CniErrorCode.unknownContainer,
      `container ${request.containerId} has a plan, but no network of it has a result in ${netconf.cniDir}: its ADD has failed, or its results were removed`,
    );
  }
  const cachedOf = (attachment: Attachment) =>
    attachment === first?.attachment ? first.cached : cachedThen(context, attachment);
  const byPlugins = checkable.filter((attachment) => runsPlugins(context, attachment));
  await inPhase(report, "delegates", async () => {
    for (const attachment of byPlugins) await checkByPlugins(context, attachment, cachedOf(attachment));
  });
  const further = checkable.filter((attachment) => !byPlugins.includes(attachment));
  if (further.length === 0) return;
  const failure = oneError(await inPhase(report, "links", () => checkLinks(context, further, cachedOf)));
  if (failure !== undefined) throw failure;
}

/** @throws {CniError} of the first plugin that fails, naming the pod and the network */
async function checkByPlugins(
  context: RequestContext,
  attachment: Attachment,
  cached: CachedAttachment | undefined,
): Promise<void> {
  try {
    await timed(context.report, attachment, () =>
      checkNetworkList(
        context.chain,
        attachment.network,
        runtimeConfThen(context, attachment, cached),
        cached,
      ),
    );
  } catch (error) {
    throw podError(error, context.pod, attachment.name);
  }
}

/** The first attachment that has a result, with its entry: a file of some megabytes is not read again. */
function firstWithResult(
  context: RequestContext,
  attachments: readonly Attachment[],
): { readonly attachment: Attachment; readonly cached: CachedAttachment } | undefined {
  for (const attachment of attachments) {
    const cached = cachedThen(context, attachment);
    if (cached?.result !== undefined) return { attachment, cached };
  }
  return undefined;
}

/**
 * Are the plugins run? Those of the cluster network and of the netconf's delegates: the networks that come first in a pod. Of an attachment whose place is not known the interface tells
 * whether it is the cluster network's.
 */
function runsPlugins({ netconf, request }: RequestContext, { place, ifName }: Attachment): boolean {
  if (netconf.checkDelegates === "all") return true;
  return place === undefined ? ifName === request.ifName : place < Math.max(1, netconf.delegates.length);
}
