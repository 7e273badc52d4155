/** DEL: every attachment of the container, in reverse order, whatever fails (docs/behaviour.md, "DEL"). */

import { deleteNetworkList } from "../cni/chain.ts";
import { type CniError, CniErrorCode } from "../cni/errors.ts";
import { executorErrorCode } from "../cni/plugin-failure.ts";
import { PodError, podError } from "./input/pod-error.ts";
import type { NetworkCatalog } from "./plan/networks.ts";
import { type Attachment, runtimeConf, timed } from "./request/attachment.ts";
import type { Call, Sandbox } from "./request/call.ts";
import { removeDeviceInfo } from "./request/device-info.ts";
import { inPhase } from "./request/report.ts";
import { removePlan } from "./state/plan-file.ts";
import { recoverAttachments } from "./state/recover.ts";

interface DetachOptions {
  /** An ADD of the container is known to have ended before its first delegate. */
  readonly neverStarted: boolean;
  /** The plan stays where something has failed: it is tried again. */
  readonly keepsPlan: boolean;
}

export interface Detached {
  /** All that failed in one; undefined: nothing has. */
  readonly failure: CniError | undefined;
  /** Can another DEL do more than this one? The plan is still there then, if it was. */
  readonly isLeft: boolean;
  /** Nobody is there to run a plugin any more, or to be answered. */
  readonly isGone: boolean;
  /** By a whole plan and the result cache no network of the container was ever attached. Known only where something has failed. */
  readonly wasNeverAttached: boolean;
}

/** Takes all attachments of the container away. Any number of times, with or without a namespace. */
export async function detach(
  catalog: NetworkCatalog,
  call: Call,
  { neverStarted, keepsPlan }: DetachOptions,
): Promise<Detached> {
  const { netconf, sandbox, chain, report } = call;
  const { containerId } = sandbox;
  const { attachments, isPlanWhole } = await inPhase(report, "plan", () =>
    recoverAttachments(call, sandbox, {
      catalog,
      annotations: netconf.podAnnotations,
      neverStarted,
      podCanBeAsked: true,
      withUnplanned: true,
    }),
  );
  const errors = await inPhase(report, "delegates", () => deleteAttachments(call, sandbox, attachments));
  // A DEL whose shim is gone is answered to nobody, and comes again.
  const isGone = errors.some((error) => executorErrorCode(error) === "gone");
  const hasResult = errors.length > 0 && (await chain.cache.list(containerId)).length > 0;
  const isLeft = isGone || (errors.length > 0 && keepsPlan && (hasResult || !areNotInstalled(errors)));
  if (!isLeft && (errors.length === 0 || !netconf.retryDeleteOnError)) {
    await inPhase(report, "plan-file", () => {
      // Also of those that have failed: nothing will ask for them any more.
      if (errors.length > 0) for (const each of attachments) removeDeviceInfo(call, containerId, each);
      removePlan(netconf.cniDir, containerId);
    });
  }
  return { failure: oneError(errors), isLeft, isGone, wasNeverAttached: isPlanWhole && !hasResult };
}

/** Of plugins that are not installed, and a container without a result, nothing is there: its ADD has failed on just that, and was undone. */
function areNotInstalled(errors: readonly CniError[]): boolean {
  return errors.every((error) => executorErrorCode(error) === "not-found");
}

/** DELs attachments of a sandbox in reverse order. One that was only guessed may fail: that is logged. @returns what failed */
export async function deleteAttachments(
  call: Pick<Call, "chain" | "netconf" | "report" | "deviceInfo">,
  sandbox: Sandbox,
  attachments: readonly Attachment[],
): Promise<readonly CniError[]> {
  const { chain, report } = call;
  const errors: CniError[] = [];
  for (const attachment of attachments.toReversed()) {
    const { name, ifName, network, cached } = attachment;
    try {
      const runtime = runtimeConf(call, sandbox, attachment);
      await timed(report, attachment, () => deleteNetworkList(chain, network, runtime, { cached }));
      removeDeviceInfo(call, sandbox.containerId, { name, ifName, cached });
    } catch (error) {
      const failure = podError(error, sandbox.pod, name);
      const isGone = executorErrorCode(error) === "gone";
      if (attachment.isGuessed && !isGone) {
        chain.log.error("a network that the container may never have had cannot be undone", {
          network: name,
          ifName,
          error: failure.message,
        });
        continue;
      }
      errors.push(failure);
      if (isGone) break;
    }
  }
  return errors;
}

/** Several errors as one: all their texts, and their code if they agree on it. */
export function oneError(errors: readonly CniError[]): CniError | undefined {
  const [first, ...others] = errors;
  if (first === undefined || others.length === 0) return first;
  const code = others.every((error) => error.code === first.code) ? first.code : CniErrorCode.internal;
  const details = errors.map((error) => error.details).filter((text) => text !== "");
  return new PodError(code, errors.map((error) => error.message).join(" / "), details.join(" / "));
}
