/** ADD: the plan's delegates, step by step, and everything undone in reverse if one of them fails (docs/behaviour.md, "What a delegate is given" and "Results"). */

import { ExpectedError } from "../base/input-error.ts";
import { addNetworkList } from "../cni/chain.ts";
import { CniError, cniErrorOf, configError } from "../cni/errors.ts";
import { attachmentNameProblem } from "../cni/names.ts";
import { executorErrorCode, isNotStarted } from "../cni/plugin-failure.ts";
import type { NetworkConfigList, RuntimeConf } from "../cni/types.ts";
import { KernelError, type Kernels } from "../kernels/index.ts";
import { bounded } from "../log/quoted.ts";
import { addNatively } from "../native/native-networks.ts";
import { nadsWithEvents } from "./cluster/nads-with-events.ts";
import { type StatusPart, sendAddedInterface, sendNetworkStatus } from "./cluster/network-status.ts";
import { sendNotAttached } from "./cluster/not-attached.ts";
import { deviceNotAssigned, invalidNetwork } from "./cluster/pod-events.ts";
import { type PodInCluster, sendEvent } from "./cluster/pod-in-cluster.ts";
import type { Annotations } from "./cluster/pod-lookup.ts";
import { type AttachedNetwork, editDefaultRoutes, giveWay } from "./default-route-edits.ts";
import { undo } from "./detach.ts";
import { resultForGonePod } from "./gone-pod.ts";
import { misspeltKeysOf } from "./input/misspelt-keys.ts";
import { podAnnotationsKey } from "./input/netconf.ts";
import { longestNetwork, podError } from "./input/pod-error.ts";
import { checkResultBytes } from "./input/sizes.ts";
import { deviceInfoProblem } from "./plan/capability-args.ts";
import { askedRoutes, defaultRouteEdit } from "./plan/default-route.ts";
import { type Delegate, interfaceName, isClusterNetwork } from "./plan/delegate.ts";
import { DevicesUnknown, type DeviceWish } from "./plan/devices.ts";
import type { NetworkCatalog } from "./plan/networks.ts";
import { makePlan, refuseOwnClusterNetwork } from "./plan/plan.ts";
import type { Step } from "./plan/schedule.ts";
import {
  type Attachment,
  begin,
  noteWork,
  runtimeConf,
  timeSince,
  type Worked,
} from "./request/attachment.ts";
import type { Call } from "./request/call.ts";
import { AddedDeviceInfo } from "./request/device-info.ts";
import { lookUpPod } from "./request/known-pod.ts";
import { delegatesWithVersions } from "./request/network-version.ts";
import { Pipeline, type StepTurn } from "./request/pipeline.ts";
import { withAddressArgs } from "./request/plugin-environment.ts";
import { type Clock, isReady, waitUntilReady } from "./request/readiness.ts";
import { inPhase } from "./request/report.ts";
import type { Slots } from "./request/slots.ts";
import { Steps } from "./request/steps.ts";
import { writePlan } from "./state/plan-file.ts";

interface PlannedAttachment extends Attachment, Delegate {}

/**
 * ADD: looks the pod up and makes all its attachments. A pod that is gone gets none, and a success (docs/behaviour.md, "Pod lookup").
 * @param onStarted called when the plan is on disk: from now on there may be something to undo
 * @returns the cluster network's result in the version that the netconf names, JSON text
 * @throws {CniError} naming the pod and the network; nothing is left behind then but the plan, which the runtime's DEL removes
 */
export async function attach(
  { catalog, clock }: { readonly catalog: NetworkCatalog; readonly clock: Clock },
  call: Call,
  onStarted: () => void,
): Promise<Uint8Array> {
  const { netconf, sandbox, cluster, chain, pause, report } = call;
  const { readinessIndicatorFile, podAnnotations } = netconf;
  if (readinessIndicatorFile !== "") {
    await inPhase(report, "ready", () => {
      if (!isReady(readinessIndicatorFile)) refuseOwnClusterNetwork(catalog, netconf);
      return pause(waitUntilReady(readinessIndicatorFile, clock));
    });
  }
  const found = await lookUpPod(call, podAnnotations);
  if (found === "gone") {
    chain.log.verbose("the pod is gone: nothing is attached");
    return resultForGonePod(sandbox, netconf.cniVersion, chain.kernels);
  }
  if (found === undefined && podAnnotations === undefined && sandbox.pod.name !== "") {
    chain.log.verbose("the pod's annotations are not known: it gets no networks of its own", {
      missing: `capability ${podAnnotationsKey} of the netconf`,
    });
  }
  const pod = { cluster, pod: sandbox.pod, podObject: found?.object };
  const annotations = found === undefined ? podAnnotations : found.annotations;
  for (const problem of misspeltKeysOf(annotations ?? {})) sendEvent(pod, invalidNetwork(problem));
  const planned = await inPhase(report, "plan", () => plannedAttachments(catalog, call, pod, annotations));
  await inPhase(report, "plan-file", async () => {
    const bytes = planned.reduce((sum, { network }) => sum + network.bytes.length, 0);
    await chain.largeWork.run(bytes, () => writePlan(netconf.cniDir, sandbox.containerId, planned));
    onStarted();
  });
  const done: PlannedAttachment[] = [];
  try {
    const { answer, networks } = await inPhase(report, "delegates", () =>
      attachAll(call, pod, planned, done),
    );
    // The last that can fail, and nothing is undone after it: what was handed over is true.
    await inPhase(report, "status", () => {
      sendNetworkStatus(pod, chain.kernels, networks.map(statusPart));
      for (const { name, ifName, result } of networks) {
        sendAddedInterface(pod, chain.kernels, name, ifName, result);
      }
    });
    return answer;
  } catch (error) {
    // In an ADD a shim removes no links by itself.
    await inPhase(report, "undo", () => undo(call, done, { ...netconf, nativeNetworks: "off" }));
    throw error;
  }
}

/** The plan's delegates with their interfaces, checked. @throws {CniError} naming the pod and the network */
async function plannedAttachments(
  catalog: NetworkCatalog,
  call: Call,
  pod: PodInCluster,
  annotations: Annotations | undefined,
): Promise<readonly PlannedAttachment[]> {
  const { netconf, sandbox, chain, pause } = call;
  const nads = nadsWithEvents(call.nads, pod, chain, pause.signal);
  const assignDevices = (wishes: readonly DeviceWish[]) => devicesFor(call, pod, wishes);
  const plan = await pause(
    makePlan(catalog, { netconf, pod: sandbox.pod, annotations, nads, assignDevices }),
  );
  const delegates = await delegatesWithVersions(call, sandbox, plan);
  const planned = delegates.map((delegate, place) => ({
    ...delegate,
    ifName: interfaceName(delegate.request, place, sandbox.ifName),
    place,
  }));
  checkFileNames(call, pod, planned);
  return planned;
}

/** The devices of the pod for the networks of its plan that want one. Where they cannot be had, an event of the pod says so. @throws {CniError | InputError} as {@link DeviceSource.assign} */
async function devicesFor(
  { devices, cluster, sandbox }: Call,
  pod: PodInCluster,
  wishes: readonly DeviceWish[],
): Promise<readonly (string | undefined)[]> {
  try {
    if (devices !== undefined) return await devices.assign(sandbox.pod, wishes, cluster?.claims);
    const [{ network, resourceName } = { network: "", resourceName: "" }] = wishes;
    throw new DevicesUnknown(
      `network ${bounded(network)} wants a device of ${bounded(resourceName)}, and there is no kubelet to ask for the devices of pods`,
    );
  } catch (error) {
    if (error instanceof ExpectedError) sendEvent(pod, deviceNotAssigned(error.message));
    throw error;
  }
}

/** An attachment that was worked on in a step. */
interface Outcome extends Worked {
  readonly attachment: PlannedAttachment;
  /** Is there something to undo? `asked`: nothing was ordered, as its configuration cannot be used; it is undone where its turn had come. */
  readonly begun: "no" | "asked" | "ordered";
  /** JSON text; undefined: it failed, or has not begun as another one failed. */
  readonly result?: Uint8Array;
  readonly deviceInfo?: Uint8Array | undefined;
  readonly error?: unknown;
}

/** The outcomes of a step; undefined: nothing of it is there, and its plugins have to be run. */
type StepOutcomes = readonly Outcome[] | undefined;

/**
 * Makes the attachments step by step; the plugins of the next step are ordered while those of the present one run. Default routes follow in the order of the plan, also within a step, and of several that fail the first in that order counts.
 * @param done has those that have begun, in the order of the plan, also where this throws
 * @returns the answer to the runtime, and the networks with their results
 * @throws {CniError} naming the pod and the network
 */
async function attachAll(
  call: Call,
  pod: PodInCluster,
  planned: readonly PlannedAttachment[],
  done: PlannedAttachment[],
): Promise<{ readonly answer: Uint8Array; readonly networks: readonly AttachedNetwork[] }> {
  const { chain, netconf } = call;
  const asked = askedRoutes(planned);
  const steps = await Steps.of(planned, netconf, {
    command: "ADD",
    runtimeOf: (attachment) => runtimeConfOf(call, attachment),
  });
  const attached: AttachedNetwork[] = [];
  let answer: Uint8Array | undefined;
  let resultBytes = 0;
  const pipeline = new Pipeline<Step<PlannedAttachment>, StepOutcomes>({
    begin(step, turn) {
      const attachStep = step.natives.length > 0 ? attachNatively : attachByPlugins;
      return attachStep(call, step.attachments, { steps, ...turn });
    },
    follower({ attachments }) {
      // Its default routes are edited when it is there, before the next network's plugins see them.
      const isEdited = attachments.some((each) => defaultRouteEdit(each, asked) !== undefined);
      return isEdited ? undefined : steps.peek();
    },
  });
  try {
    for (let step = steps.next(); step !== undefined; step = steps.next()) {
      const outcomes = await pipeline.outcomeOf(step);
      if (outcomes === undefined) {
        await pipeline.drop();
        steps.declined(step.attachments);
        continue;
      }
      const begun = outcomes.filter((outcome) => outcome.begun !== "no");
      note(call, begun, done);
      for (const { attachment, result, deviceInfo, error } of outcomes) {
        const { name, network } = attachment;
        try {
          if (result === undefined) throw error;
          resultBytes += result.length;
          checkResultBytes(resultBytes);
          answer ??= inVersion(chain.kernels, result, network, netconf.cniVersion);
          attached.push(await editDefaultRoutes(call, { ...attachment, result, deviceInfo }, asked));
        } catch (caught) {
          const failed = ofSameInterface(caught, attachment, planned);
          sendNotAttached(pod, attachment, failed);
          // Of those that ran at the same time each has a cause of its own.
          const others = outcomes.filter((other) => other.error !== undefined && other.error !== error);
          for (const other of others) sendNotAttached(pod, other.attachment, other.error);
          throw podError(failed, pod.pod, name);
        }
      }
    }
  } catch (error) {
    // The next step may have begun: the error is that of this one, and both are undone.
    const next = (await pipeline.end()) ?? [];
    const begun = next.filter((outcome) => outcome.begun === "ordered");
    note(call, begun, done);
    throw error;
  }
  const networks = await giveWay(call, attached, asked);
  return { answer: answer ?? new Uint8Array(), networks };
}

/** The error of an interface that is there already, with the pod's networks that ask for it, where these are several: the plugin's words name none of them. */
function ofSameInterface(
  error: unknown,
  { ifName }: PlannedAttachment,
  planned: readonly PlannedAttachment[],
): unknown {
  const known = cniErrorOf(error);
  const same = planned.filter((other) => other.ifName === ifName);
  if (known === undefined || executorErrorCode(error) !== "link-exists" || same.length < 2) return error;
  const names = same.map(({ name }) => bounded(name, longestNetwork)).slice(0, mostNamesShown);
  const message = `${known.message}: ${same.length} networks of the pod ask for interface ${ifName} (${names.join(", ")})`;
  return new CniError(known.code, message, known.details, { cause: error });
}

/** Networks of one interface that are named. */
const mostNamesShown = 4;

/** Notes attachments that have begun, in the order of the plan. */
function note({ report }: Call, begun: readonly Outcome[], done: PlannedAttachment[]): void {
  noteWork(report, begun);
  done.push(...begun.map(({ attachment }) => attachment));
}

interface StepWork extends StepTurn {
  readonly steps: Steps<PlannedAttachment>;
}

/** Makes the attachments of a step by their plugins. Never throws. */
function attachByPlugins(
  call: Call,
  attachments: readonly PlannedAttachment[],
  { steps, startAfter, onLastOrder }: StepWork,
): Promise<readonly Outcome[]> {
  const slots = steps.slots();
  const isAlone = attachments.length === 1;
  const options = { steps, startAfter, slots, onLastOrder: isAlone ? onLastOrder : () => {} };
  return Promise.all(attachments.map((attachment) => attachOne(call, attachment, options)));
}

/** Makes one attachment by its plugins when it has a slot. Never throws; after a failure no other one of the step begins. */
async function attachOne(
  call: Call,
  attachment: PlannedAttachment,
  { steps, startAfter, slots, onLastOrder }: StepWork & { readonly slots: Slots },
): Promise<Outcome> {
  if (!(await slots.take())) return { attachment, begun: "no" };
  const start = performance.now();
  let begun: Outcome["begun"] = "no";
  let deviceInfo: AddedDeviceInfo | undefined;
  let end: (() => void) | undefined;
  // One whose turn it is notes itself.
  const time = () =>
    startAfter === undefined ? undefined : timeSince(start, { isAhead: true, isNative: false });
  try {
    const runtime = steps.runtimeOf(attachment);
    const info = new AddedDeviceInfo(call, attachment, runtime);
    deviceInfo = info;
    begun = "asked";
    if (startAfter === undefined) end = begin(call.report, attachment);
    const result = await addNetworkList(call.chain, attachment.network, runtime, {
      refuseExistingLink: true,
      afterPlugin: () => info.look(),
      startAfter,
      onOrder({ token, isLast }) {
        begun = "ordered";
        if (isLast) onLastOrder(token);
      },
    });
    return { attachment, begun, time: time(), result, deviceInfo: info.found };
  } catch (error) {
    slots.close();
    const isTaken = executorErrorCode(error) === "link-exists";
    if (!isTaken && !isNotStarted(error)) return { attachment, begun, time: time(), error };
    // Nothing of it ran, and a link that is there is somebody else's: a DEL would take it away.
    deviceInfo?.remove();
    return { attachment, begun: "no", error };
  } finally {
    end?.();
    slots.give();
  }
}

/** Makes the attachments of a step by one order. Never throws. @returns undefined: nothing of them is there, and their plugins have to be run */
async function attachNatively(
  { chain }: Call,
  attachments: readonly PlannedAttachment[],
  { steps, startAfter, onLastOrder }: StepWork,
): Promise<StepOutcomes> {
  const start = performance.now();
  const time = () => timeSince(start, { isAhead: startAfter !== undefined, isNative: true });
  try {
    const asked = attachments.map((each) => ({ list: each.network, runtime: steps.runtimeOf(each) }));
    const results = await addNatively(chain, asked, {
      startAfter,
      onOrder: ({ token }) => onLastOrder(token),
    });
    if (results === undefined) return undefined;
    return attachments.map((attachment, index) => ({
      attachment,
      begun: "ordered",
      time: time(),
      result: results[index] ?? new Uint8Array(),
    }));
  } catch (error) {
    if (isNotStarted(error)) return attachments.map((attachment) => ({ attachment, begun: "no", error }));
    // Some of it may be there: all of it is undone.
    return attachments.map((attachment) => ({ attachment, begun: "ordered", time: time(), error }));
  }
}

/** @throws {CniError} naming the pod and the network: capability arguments of the runtime that cannot be read */
function runtimeConfOf(call: Call, attachment: Attachment): RuntimeConf {
  const { sandbox } = call;
  try {
    const args = withAddressArgs(sandbox.args, attachment.request);
    return runtimeConf(call, { ...sandbox, args }, attachment);
  } catch (error) {
    throw podError(error, sandbox.pod, attachment.name);
  }
}

function statusPart(
  { name, ifName, network, result, deviceInfo }: AttachedNetwork,
  place: number,
): StatusPart {
  const firstPlugin = network.plugins[0]?.type ?? "";
  return { name, ifName, result, deviceInfo, isDefault: isClusterNetwork(place), firstPlugin };
}

/** Before anything is run: what a plugin has made could not be remembered. @throws {CniError} 7 a network's name that is too long for the files of its attachment */
function checkFileNames(
  { netconf, sandbox }: Call,
  pod: PodInCluster,
  planned: readonly PlannedAttachment[],
): void {
  const { containerId } = sandbox;
  for (const { name, ifName, network, request: asked } of planned) {
    const problem =
      attachmentNameProblem(network.name, containerId, ifName) ??
      deviceInfoProblem(netconf.runtimeConfig, asked, { name, containerId, ifName });
    if (problem === undefined) continue;
    sendEvent(pod, invalidNetwork(problem));
    throw podError(configError(problem), pod.pod, name);
  }
}

/** Code of the kernel for a result without addresses, which versions below 0.3.0 cannot say. */
const noFormCode = "no-address";

/**
 * The cluster network's result in the version that the runtime's netconf names; where it names none, in the cluster network's. A result that has no form in that version is
 * answered as it is: libcni reads it by its own.
 */
function inVersion(
  kernels: Kernels,
  result: Uint8Array,
  { cniVersion: configVersion }: NetworkConfigList,
  cniVersion: string,
): Uint8Array {
  try {
    return kernels.convertResult({ result, configVersion, targetVersion: cniVersion || configVersion });
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== noFormCode) throw error;
    return kernels.convertResult({ result, configVersion, targetVersion: undefined });
  }
}
