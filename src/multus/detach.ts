/** DEL: every attachment of the container, from the last step to the first, whatever fails (docs/behaviour.md, "DEL"). */

import { deleteNetworkList } from "../cni/chain.ts";
import { type CniError, CniErrorCode } from "../cni/errors.ts";
import { executorErrorCode, isNotInstalled, isNotStarted } from "../cni/plugin-failure.ts";
import { errorText } from "../log/error-text.ts";
import { deleteNatively } from "../native/native-networks.ts";
import { PodError, podError } from "./input/pod-error.ts";
import type { NetworkCatalog } from "./plan/networks.ts";
import type { Step } from "./plan/schedule.ts";
import {
  type Attachment,
  begin,
  noteWork,
  runtimeConf,
  timeSince,
  type Worked,
} from "./request/attachment.ts";
import type { Call, Sandbox } from "./request/call.ts";
import { removeDeviceInfo } from "./request/device-info.ts";
import { Pipeline, type StepTurn } from "./request/pipeline.ts";
import { inPhase, newReport } from "./request/report.ts";
import type { Slots } from "./request/slots.ts";
import { inOrder, type StepSettings, Steps } from "./request/steps.ts";
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
  const errors = await inPhase(report, "delegates", () =>
    deleteAttachments(call, sandbox, attachments, netconf),
  );
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

/** Of plugins that are not installed, or whose IPAM plugins are not, and a container without a result, nothing is there: its ADD has failed on just that, and was undone. */
function areNotInstalled(errors: readonly CniError[]): boolean {
  return errors.every(isNotInstalled);
}

type DetachingCall = Pick<Call, "chain" | "netconf" | "report" | "deviceInfo">;

/** An attachment whose removal was tried. */
interface Outcome extends Worked {
  /** undefined: nothing of it is left. */
  readonly error?: unknown;
}

interface StepOutcome {
  readonly outcomes: readonly Outcome[];
  /** Those of which nothing was removed, and whose plugins have to be run. */
  readonly declined: readonly Attachment[];
}

/**
 * DELs attachments of a sandbox in reverse order, each of them whatever happens to those before it. One that was only guessed may fail: that is logged.
 * @param settings how they are worked on together; default: one after the other, by their plugins
 * @returns what failed, from the last attachment to the first
 */
export async function deleteAttachments(
  call: DetachingCall,
  sandbox: Sandbox,
  attachments: readonly Attachment[],
  settings: StepSettings = inOrder,
): Promise<readonly CniError[]> {
  const failures = await removeAll(call, sandbox, attachments, { settings });
  return failures.flatMap(({ attachment: { name, ifName, isGuessed }, failure, isGone }) => {
    if (!isGuessed || isGone) return failure;
    call.chain.log.error("a network that the container may never have had cannot be undone", {
      network: name,
      ifName,
      error: failure.message,
    });
    return [];
  });
}

/**
 * DELs what an ADD that failed has done, in reverse. A failure is only logged: the runtime's DEL tries it again.
 * @param settings how attachments are worked on together; default: one after the other, by their plugins
 * @returns is all of it undone? Where it is not, the plan has to keep it for the pod's DEL
 */
export async function undo(
  call: Call,
  done: readonly Attachment[],
  settings: StepSettings = inOrder,
): Promise<boolean> {
  const { chain, sandbox } = call;
  // The report is the ADD's, and so is the time: its networks are those that it was to attach.
  const unreported = { ...call, report: newReport() };
  const failures = await removeAll(unreported, sandbox, done, { settings, passOverMissing: true });
  for (const { attachment, failure } of failures) {
    const { name: network, ifName } = attachment;
    chain.log.error("cannot undo an attachment", { network, ifName, error: failure.message });
  }
  return failures.length === 0;
}

interface Removal {
  readonly settings: StepSettings;
  /** Go on where a plugin is not installed. */
  readonly passOverMissing?: boolean;
}

/** An attachment of which something may be left. */
interface Failed {
  readonly attachment: Attachment;
  readonly failure: CniError;
  /** Nobody is there to run a plugin any more: those before it in the plan were not tried. */
  readonly isGone: boolean;
}

/** Removes attachments step by step, from the last to the first; the next step is ordered while the present one is worked on. @returns what failed, from the last attachment to the first */
async function removeAll(
  call: DetachingCall,
  sandbox: Sandbox,
  attachments: readonly Attachment[],
  { settings, passOverMissing = false }: Removal,
): Promise<readonly Failed[]> {
  const steps = await Steps.of(attachments, settings, {
    command: "DEL",
    runtimeOf: (attachment) => runtimeConf(call, sandbox, attachment),
  });
  const pipeline = new Pipeline<Step<Attachment>, StepOutcome>({
    begin: (step, turn) => deleteStep(call, step, { steps, passOverMissing, ...turn }),
    follower: () => steps.peek(),
  });
  const failures = new Map<Attachment, Failed>();
  for (let step = steps.next(); step !== undefined; step = steps.next()) {
    let { outcomes, declined } = await pipeline.outcomeOf(step);
    if (outcomes.some(({ error }) => isNotStarted(error))) {
      // The one before it has failed: it is ordered again, now.
      await pipeline.drop();
      ({ outcomes, declined } = await pipeline.outcomeOf(step));
    }
    noteWork(call.report, outcomes);
    for (const { attachment, error } of outcomes) {
      if (error === undefined) {
        removeDeviceInfo(call, sandbox.containerId, attachment);
        continue;
      }
      const failure = podError(error, sandbox.pod, attachment.name);
      const isGone = executorErrorCode(error) === "gone";
      failures.set(attachment, { attachment, failure, isGone });
      if (isGone) break;
    }
    if (outcomes.some(({ attachment }) => failures.get(attachment)?.isGone === true)) {
      await pipeline.end();
      break;
    }
    if (declined.length > 0) {
      await pipeline.drop();
      steps.declined(declined);
    }
  }
  return attachments.toReversed().flatMap((attachment) => failures.get(attachment) ?? []);
}

interface StepWork extends StepTurn {
  readonly steps: Steps<Attachment>;
  readonly passOverMissing: boolean;
}

/** Removes the attachments of a step: those of its order beside those of plugins. Never throws. */
async function deleteStep(
  call: DetachingCall,
  { attachments, natives }: Step<Attachment>,
  work: StepWork,
): Promise<StepOutcome> {
  const executed = attachments.filter((attachment) => !natives.includes(attachment));
  if (executed.length === 0) return deleteByOrder(call, natives, work);
  if (natives.length === 0) return { outcomes: await deleteByPlugins(call, executed, work), declined: [] };
  // The next step has to wait for more than one order.
  const beside = { ...work, onLastOrder: () => {} };
  const [byPlugins, { outcomes, declined }] = await Promise.all([
    deleteByPlugins(call, executed, beside),
    deleteByOrder(call, natives, beside),
  ]);
  return { outcomes: [...byPlugins, ...outcomes], declined };
}

/** Removes the attachments of a step by their plugins. Never throws. */
function deleteByPlugins(
  call: DetachingCall,
  attachments: readonly Attachment[],
  work: StepWork,
): Promise<readonly Outcome[]> {
  const slots = work.steps.slots();
  const isAlone = attachments.length === 1;
  const options = { ...work, slots, onLastOrder: isAlone ? work.onLastOrder : () => {} };
  return Promise.all(attachments.map((attachment) => deleteOne(call, attachment, options)));
}

/** Removes one attachment by its plugins when it has a slot. Never throws. */
async function deleteOne(
  { chain, report }: DetachingCall,
  attachment: Attachment,
  { steps, passOverMissing, startAfter, slots, onLastOrder }: StepWork & { readonly slots: Slots },
): Promise<Outcome> {
  // Closed only where nobody is there to run a plugin any more: the outcome of another one says so.
  if (!(await slots.take())) return { attachment };
  const { network, cached } = attachment;
  const start = performance.now();
  // One whose turn it is notes itself.
  const time = () =>
    startAfter === undefined ? undefined : timeSince(start, { isAhead: true, isNative: false });
  let end: (() => void) | undefined;
  try {
    const runtime = steps.runtimeOf(attachment);
    if (startAfter === undefined) end = begin(report, attachment);
    await deleteNetworkList(chain, network, runtime, {
      cached,
      passOverMissing,
      startAfter,
      onOrder({ token, isLast }) {
        if (isLast) onLastOrder(token);
      },
    });
    return { attachment, time: time() };
  } catch (error) {
    if (executorErrorCode(error) === "gone") slots.close();
    return { attachment, time: time(), error };
  } finally {
    end?.();
    slots.give();
  }
}

/** Removes the attachments of a step by one order. Never throws. */
async function deleteByOrder(
  { chain }: DetachingCall,
  attachments: readonly Attachment[],
  { steps, startAfter, onLastOrder }: StepWork,
): Promise<StepOutcome> {
  const start = performance.now();
  try {
    const asked = attachments.map((each) => {
      return { list: each.network, runtime: steps.runtimeOf(each), cached: each.cached };
    });
    const isDone = await deleteNatively(chain, asked, {
      startAfter,
      onOrder: ({ token }) => onLastOrder(token),
    });
    if (!isDone) return { outcomes: [], declined: attachments };
    const time = timeSince(start, { isAhead: startAfter !== undefined, isNative: true });
    return { outcomes: attachments.map((attachment) => ({ attachment, time })), declined: [] };
  } catch (error) {
    if (executorErrorCode(error) === "gone" || isNotStarted(error))
      return { outcomes: attachments.map((attachment) => ({ attachment, error })), declined: [] };
    chain.log.error("networks cannot be removed by one order: their plugins are run", {
      error: errorText(error),
    });
    return { outcomes: [], declined: attachments };
  }
}

/** Several errors as one: all their texts, and their code if they agree on it. */
export function oneError(errors: readonly CniError[]): CniError | undefined {
  const [first, ...others] = errors;
  if (first === undefined || others.length === 0) return first;
  const code = others.every((error) => error.code === first.code) ? first.code : CniErrorCode.internal;
  const details = errors.map((error) => error.details).filter((text) => text !== "");
  return new PodError(code, errors.map((error) => error.message).join(" / "), details.join(" / "));
}
