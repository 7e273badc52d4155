/** CHECK: every attachment of the container with its cached result (behaviour page, section 9). */

import { checkNetworkList } from "../cni/chain.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { supportsCheck } from "../cni/versions.ts";
import { runtimeConfThen } from "./configuration-then.ts";
import { type RequestContext, timed } from "./context.ts";
import { podError } from "./pod-error.ts";
import { recoverAttachments } from "./recover.ts";
import { endPhase } from "./report.ts";

/**
 * Checks the container's attachments in order; networks below 0.4.0, or with disableCheck, are passed over.
 * @throws {CniError} 3 for a container that nothing is known of, else the first plugin's that fails
 */
export async function check(context: RequestContext): Promise<void> {
  const { netconf, request, report } = context;
  let since = performance.now();
  const { attachments } = await recoverAttachments(context, {
    neverStarted: true,
    podCanBeAsked: false,
    withUnplanned: false,
  });
  since = endPhase(report, "plan", since);
  if (attachments.length === 0) {
    throw new CniError(
      CniErrorCode.unknownContainer,
      `nothing is known of container ${request.containerId}: no plan and no results in ${netconf.cniDir}`,
    );
  }
  for (const attachment of attachments) {
    if (!supportsCheck(attachment.network.cniVersion)) {
      continue;
    }
    try {
      await timed(report, attachment, () =>
        checkNetworkList(context.chain, attachment.network, runtimeConfThen(context, attachment)),
      );
    } catch (error) {
      throw podError(error, context.pod, attachment.name);
    }
  }
  endPhase(report, "delegates", since);
}
