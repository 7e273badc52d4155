/** ADD: the plan's delegates in order, and everything undone in reverse if one of them fails (docs/behaviour.md, "What a delegate is given" and "Results"). */

import { addNetworkList } from "../cni/chain.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { attachmentNameProblem } from "../cni/names.ts";
import { KernelError } from "../kernels/index.ts";
import { type StatusPart, sendAddedInterface, sendNetworkStatus } from "./cluster/network-status.ts";
import { sendEvent } from "./cluster/pod-in-cluster.ts";
import { findPod } from "./cluster/pod-lookup.ts";
import { invalidNetwork } from "./cluster/status-sink.ts";
import { type AttachedNetwork, editDefaultRoutes, giveWay } from "./default-route-edits.ts";
import { resultForGonePod } from "./gone-pod.ts";
import { podAnnotationsKey } from "./input/netconf.ts";
import { hasName } from "./input/pod.ts";
import { podError } from "./input/pod-error.ts";
import { checkResultBytes } from "./input/sizes.ts";
import { deviceInfoProblem } from "./plan/capability-args.ts";
import { askedRoutes } from "./plan/default-route.ts";
import { type Delegate, interfaceName } from "./plan/delegate.ts";
import { makePlan, refuseOwnClusterNetwork } from "./plan/plan.ts";
import {
  type Attachment,
  executorErrorCode,
  nadsWithEvents,
  type RequestContext,
  runtimeConf,
  timed,
} from "./request/context.ts";
import { delegatesWithVersions } from "./request/network-version.ts";
import { withAddressArgs } from "./request/plugin-environment.ts";
import { isReady, waitUntilReady } from "./request/readiness.ts";
import { inPhase } from "./request/report.ts";
import { writePlan } from "./state/plan-file.ts";
import { undoAttachment } from "./undo.ts";

/** A delegate at its interface. */
interface PlannedAttachment extends Attachment {
  readonly isCluster: boolean;
  readonly delegate: Delegate;
}

/**
 * ADD: looks the pod up and makes all its attachments. A pod that is gone gets none, and a success (docs/behaviour.md, "Pod lookup").
 * @param onStarted called when the plan is on disk: from now on there may be something to undo
 * @returns the cluster network's result in the version that the netconf names, JSON text
 * @throws {CniError} naming the pod and the network; nothing is left behind then but the plan, which the runtime's DEL removes
 */
export async function attach(context: RequestContext, onStarted: () => void): Promise<Uint8Array> {
  const { netconf, request, chain, clock, pause, report } = context;
  if (netconf.readinessIndicatorFile !== "") {
    await inPhase(report, "ready", () => {
      if (!isReady(netconf.readinessIndicatorFile)) refuseOwnClusterNetwork(context.catalog, netconf);
      return pause(waitUntilReady(netconf.readinessIndicatorFile, clock));
    });
  }
  const known = await withPod(context);
  return known === undefined
    ? resultForGonePod(request, netconf.cniVersion, chain.kernels)
    : attachPod(known, onStarted);
}

/** The context with what is known of the pod; undefined where it is gone. @throws {CniError} 4, 11 */
async function withPod(context: RequestContext): Promise<RequestContext | undefined> {
  const { cluster, pod, annotations, report, log } = context;
  if (cluster === undefined || !hasName(pod)) {
    if (annotations === undefined && pod.name !== "") {
      log.verbose("the pod's annotations are not known: it gets no networks of its own", {
        missing: `capability ${podAnnotationsKey} of the netconf`,
      });
    }
    return context;
  }
  const found = await inPhase(report, "pod-lookup", () =>
    context.pause(findPod(cluster.pods, pod, annotations, log)),
  );
  if (found === undefined) {
    log.verbose("the pod is gone: nothing is attached");
    return undefined;
  }
  return { ...context, annotations: found.annotations, podObject: found.object };
}

async function attachPod(context: RequestContext, onStarted: () => void): Promise<Uint8Array> {
  const { netconf, request, report, chain } = context;
  const planned = await inPhase(report, "plan", () => plannedAttachments(context));
  await inPhase(report, "plan-file", async () => {
    const bytes = planned.reduce((sum, { network }) => sum + network.bytes.length, 0);
    const delegates = planned.map(({ delegate }) => delegate);
    await chain.largeWork.run(bytes, () => writePlan(netconf.cniDir, request.containerId, delegates));
    onStarted();
  });
  const done: PlannedAttachment[] = [];
  try {
    const { answer, networks } = await inPhase(report, "delegates", () => attachAll(context, planned, done));
    // The last that can fail, and nothing is undone after it: what was handed over is true.
    await inPhase(report, "status", () => sendNetworkStatus(context, networks.map(statusPart)));
    return answer;
  } catch (error) {
    await inPhase(report, "undo", () => undo(context, done));
    throw error;
  }
}

/** The plan's delegates with their interfaces, checked. @throws {CniError} naming the pod and the network */
async function plannedAttachments(context: RequestContext): Promise<readonly PlannedAttachment[]> {
  const plan = await context.pause(makePlan(context.catalog, { ...context, nads: nadsWithEvents(context) }));
  const delegates = await delegatesWithVersions(context, plan);
  const planned = delegates.map((delegate, position) => ({
    ...delegate,
    delegate,
    ifName: interfaceName(delegate, position, context.request.ifName),
  }));
  checkFileNames(context, planned);
  return planned;
}

/**
 * Makes the attachments in order, with their events and default routes.
 * @param done has those that have begun, also where this throws
 * @returns the answer to the runtime, and the networks with their results
 * @throws {CniError} naming the pod and the network
 */
async function attachAll(
  context: RequestContext,
  planned: readonly PlannedAttachment[],
  done: PlannedAttachment[],
): Promise<{ readonly answer: Uint8Array; readonly networks: readonly AttachedNetwork[] }> {
  const asked = askedRoutes(planned.map(({ delegate }) => delegate));
  const attached: AttachedNetwork[] = [];
  let answer: Uint8Array | undefined;
  let resultBytes = 0;
  for (const attachment of planned) {
    done.push(attachment);
    try {
      const result = await timed(context.report, attachment, () => add(context, attachment));
      resultBytes += result.length;
      checkResultBytes(resultBytes);
      answer ??= inVersion(result, attachment, context);
      sendAddedInterface(context, attachment.name, attachment.ifName, result);
      attached.push(await editDefaultRoutes(context, { ...attachment, result }, asked));
    } catch (error) {
      // Nothing of it ran, and the link is somebody else's: a DEL would take it away.
      if (executorErrorCode(error) === "link-exists") done.pop();
      throw podError(error, context.pod, attachment.name);
    }
  }
  const networks = await giveWay(context, attached, asked);
  return { answer: answer ?? new Uint8Array(), networks };
}

function statusPart({ name, ifName, network, isCluster, result }: AttachedNetwork): StatusPart {
  return { name, ifName, result, isDefault: isCluster, firstPlugin: network.plugins[0]?.type ?? "" };
}

/** Before anything is run: what a plugin has made could not be remembered. @throws {CniError} 7 a network's name that is too long for the files of its attachment */
function checkFileNames(context: RequestContext, planned: readonly PlannedAttachment[]): void {
  const { netconf, request, pod } = context;
  const { containerId } = request;
  for (const { name, ifName, network, request: asked } of planned) {
    const problem =
      attachmentNameProblem(network.name, containerId, ifName) ??
      deviceInfoProblem(netconf.runtimeConfig, asked, { name, containerId, ifName });
    if (problem === undefined) continue;
    sendEvent(context, invalidNetwork(problem));
    throw podError(new CniError(CniErrorCode.invalidNetworkConfig, problem), pod, name);
  }
}

/** Code of the kernel for a result without addresses, which versions below 0.3.0 cannot say. */
const noFormCode = "no-address";

/**
 * The cluster network's result in the version that the runtime's netconf names; where it names none, in the cluster network's. A result that has no form in that version is
 * answered as it is: libcni reads it by its own.
 */
function inVersion(
  result: Uint8Array,
  { network }: Attachment,
  { chain, netconf }: RequestContext,
): Uint8Array {
  const asked = { result, configVersion: network.cniVersion };
  try {
    return chain.kernels.convertResult({ ...asked, targetVersion: netconf.cniVersion || network.cniVersion });
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== noFormCode) throw error;
    return chain.kernels.convertResult({ ...asked, targetVersion: undefined });
  }
}

function add(context: RequestContext, attachment: PlannedAttachment): Promise<Uint8Array> {
  const args = withAddressArgs(context.args, attachment.request);
  const runtime = runtimeConf(context, attachment, args);
  return addNetworkList(context.chain, attachment.network, runtime, { refuseExistingLink: true });
}

/** DELs what an ADD that failed has done, in reverse. */
async function undo(context: RequestContext, done: readonly PlannedAttachment[]): Promise<void> {
  for (const attachment of done.toReversed()) {
    if ((await undoAttachment(context, attachment)) === "gone") return;
  }
}
