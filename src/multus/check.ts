/** CHECK: every attachment of the container with its cached result (docs/behaviour.md, "CHECK"). */

import { checkNetworkList } from "../cni/chain.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { supportsCheck } from "../cni/versions.ts";
import { checkLinks } from "./check-links.ts";
import { oneError } from "./detach.ts";
import { podError } from "./input/pod-error.ts";
import type { NetworkCatalog } from "./plan/networks.ts";
import { type Attachment, runtimeConf, timed } from "./request/attachment.ts";
import type { Call } from "./request/call.ts";
import { inPhase } from "./request/report.ts";
import { recoverAttachments } from "./state/recover.ts";

/**
 * Checks the container's attachments; networks below 0.4.0, or with disableCheck, are passed over. First, in order, the plugins of those that the runtime would run without Multus; then
 * the interfaces of all others are looked at, without their plugins. With `checkDelegates` "all" the plugins of all are run.
 * @throws {CniError} 3 for a container that nothing is known of, or of which no network has a result; else the first plugin's that fails; else 999 with all interfaces that are not as they should be
 */
export async function check(catalog: NetworkCatalog, call: Call): Promise<void> {
  const { netconf, sandbox, report } = call;
  const { attachments } = await inPhase(report, "plan", () =>
    recoverAttachments(call, sandbox, {
      catalog,
      annotations: netconf.podAnnotations,
      neverStarted: true,
      podCanBeAsked: false,
      withUnplanned: false,
    }),
  );
  if (attachments.length === 0) {
    throw new CniError(
      CniErrorCode.unknownContainer,
      `nothing is known of container ${sandbox.containerId}: no plan and no results in ${netconf.cniDir}`,
    );
  }
  const checkable = attachments.filter(
    ({ network }) => supportsCheck(network.cniVersion) && !network.disableCheck,
  );
  if (checkable.length > 0 && attachments.every(({ cached }) => cached?.result === undefined)) {
    throw new CniError(
      CniErrorCode.unknownContainer,
      `container ${sandbox.containerId} has a plan, but no network of it has a result in ${netconf.cniDir}: its ADD has failed, or its results were removed`,
    );
  }
  const byPlugins = checkable.filter((attachment) => runsPlugins(call, attachment));
  await inPhase(report, "delegates", async () => {
    for (const attachment of byPlugins) await checkByPlugins(call, attachment);
  });
  const further = checkable.filter((attachment) => !byPlugins.includes(attachment));
  if (further.length === 0) return;
  const failure = oneError(await inPhase(report, "links", () => checkLinks(call, further)));
  if (failure !== undefined) throw failure;
}

/** @throws {CniError} of the first plugin that fails, naming the pod and the network */
export async function checkByPlugins(call: Call, attachment: Attachment): Promise<void> {
  const { chain, sandbox, report } = call;
  try {
    const runtime = runtimeConf(call, sandbox, attachment);
    await timed(report, attachment, () =>
      checkNetworkList(chain, attachment.network, runtime, attachment.cached),
    );
  } catch (error) {
    throw podError(error, sandbox.pod, attachment.name);
  }
}

/**
 * Are the plugins run? Those of the cluster network and of the netconf's delegates: the networks that come first in a pod. Of an attachment whose place is not known the interface tells
 * whether it is the cluster network's.
 */
function runsPlugins({ netconf, sandbox }: Call, { place, ifName }: Attachment): boolean {
  if (netconf.checkDelegates === "all") return true;
  return place === undefined ? ifName === sandbox.ifName : place < Math.max(1, netconf.delegates.length);
}
