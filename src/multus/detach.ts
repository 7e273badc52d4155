/** DEL: every attachment of the container, in reverse order, whatever fails (behaviour page, section 8). */

import { deleteNetworkList } from "../cni/chain.ts";
import { type CniError, CniErrorCode } from "../cni/errors.ts";
import { runtimeConfThen } from "./configuration-then.ts";
import { type Attachment, executorErrorCode, type RequestContext, timed } from "./context.ts";
import { removePlan } from "./plan-file.ts";
import { PodError, podError } from "./pod-error.ts";
import { recoverAttachments } from "./recover.ts";
import { endPhase } from "./report.ts";

/**
 * Takes all attachments of the container away. Any number of times, with or without a namespace.
 * @param neverStarted an ADD of the container is known to have ended before its first delegate
 * @throws {CniError} all that failed in one
 */
export async function detach(context: RequestContext, neverStarted: boolean): Promise<void> {
  const { netconf, request, report } = context;
  let since = performance.now();
  const { attachments } = await recoverAttachments(context, {
    neverStarted,
    podCanBeAsked: true,
    withUnplanned: true,
  });
  since = endPhase(report, "plan", since);
  const errors = await deleteAttachments(context, attachments);
  since = endPhase(report, "delegates", since);
  // A DEL whose shim is gone is answered to nobody, and comes again.
  const isGone = errors.some((error) => executorErrorCode(error) === "gone");
  if (!isGone && (errors.length === 0 || !netconf.retryDeleteOnError)) {
    removePlan(netconf.cniDir, request.containerId);
    endPhase(report, "plan-file", since);
  }
  const failure = oneError(errors);
  if (failure !== undefined) {
    throw failure;
  }
}

/** DELs attachments in reverse order. @returns what failed */
export async function deleteAttachments(
  context: RequestContext,
  attachments: readonly Attachment[],
): Promise<readonly CniError[]> {
  const errors: CniError[] = [];
  for (const attachment of attachments.toReversed()) {
    try {
      await timed(context.report, attachment, () =>
        deleteNetworkList(context.chain, attachment.network, runtimeConfThen(context, attachment)),
      );
    } catch (error) {
      errors.push(podError(error, context.pod, attachment.name));
      if (executorErrorCode(error) === "gone") {
        break;
      }
    }
  }
  return errors;
}

/** Several errors as one: all their texts, and their code if they agree on it. */
export function oneError(errors: readonly CniError[]): CniError | undefined {
  const [first, ...others] = errors;
  if (first === undefined || others.length === 0) {
    return first;
  }
  const code = others.every((error) => error.code === first.code) ? first.code : CniErrorCode.internal;
  const details = errors.map((error) => error.details).filter((text) => text !== "");
  return new PodError(code, errors.map((error) => error.message).join(" / "), details.join(" / "));
}
