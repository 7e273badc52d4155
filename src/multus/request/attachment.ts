/** A network at an interface of a container: its parameters for libcni, its time in the report, and its end where the ADD fails. */

import type { CachedAttachment } from "../../cni/cache.ts";
import { deleteNetworkList } from "../../cni/chain.ts";
import { executorErrorCode } from "../../cni/plugin-failure.ts";
import type { NetworkConfigList, RuntimeConf } from "../../cni/types.ts";
import { podError } from "../input/pod-error.ts";
import type { AttachmentRequest } from "../input/selection.ts";
import { capabilityArgs } from "../plan/capability-args.ts";
import { deviceInfoPath } from "../plan/devices.ts";
import type { Call, Sandbox } from "./call.ts";
import { removeDeviceInfo } from "./device-info.ts";
import type { RequestReport } from "./report.ts";

export interface Attachment {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly ifName: string;
  readonly network: NetworkConfigList;
  readonly request: AttachmentRequest;
  /** Its place among the pod's networks; undefined where that is not known. */
  readonly place?: number | undefined;
  /** The result cache's entry of its ADD; undefined: there is none, or it is being ADDed. */
  readonly cached?: CachedAttachment | undefined;
  /** Nothing on disk says that it was ever attached: it is what the pod would get today. */
  readonly isGuessed?: true;
}

/**
 * libcni's RuntimeConf of an attachment. The capability arguments of one that was ADDed before are those of the result cache: a plan, in Go multus's form, does not say which port mappings and
 * which bandwidth a selection asked for.
 * @param sandbox with the CNI_ARGS that this attachment's plugins get
 */
export function runtimeConf(
  { netconf, deviceInfo }: Pick<Call, "netconf" | "deviceInfo">,
  { containerId, netns, args }: Sandbox,
  { name, ifName, network, request, cached }: Attachment,
): RuntimeConf {
  const identity = { name, containerId, ifName };
  const file = deviceInfo?.path(identity) ?? deviceInfoPath(identity);
  return {
    containerId,
    netns,
    ifName,
    args,
    capabilityArgs: cached?.capabilityArgs ?? capabilityArgs(netconf.runtimeConfig, request, network, file),
  };
}

/** Notes in the report that work on an attachment begins. @returns called when it ends */
export function begin(report: RequestReport, { name, ifName }: Attachment): () => void {
  const start = performance.now();
  const entry = { name, ifName, start, milliseconds: 0 };
  report.networks.push(entry);
  return () => {
    entry.milliseconds = performance.now() - start;
  };
}

/** Runs one attachment's work and notes how long it took. */
export async function timed<Result>(
  report: RequestReport,
  attachment: Attachment,
  work: () => Promise<Result>,
): Promise<Result> {
  const end = begin(report, attachment);
  try {
    return await work();
  } finally {
    end();
  }
}

/** An attachment that was begun before its turn. */
export interface BegunBefore extends Pick<Attachment, "name" | "ifName"> {
  /** Milliseconds of `performance.now()`. */
  readonly start: number;
  readonly end: number;
}

/** Notes attachments that were begun before the one before them had ended: their time counts from its end on. */
export function noteBegunBefore(report: RequestReport, attachments: readonly BegunBefore[]): void {
  const before = report.networks.at(-1);
  const from = before === undefined ? 0 : before.start + before.milliseconds;
  for (const { name, ifName, start, end } of attachments) {
    const own = Math.max(start, from);
    const milliseconds = Math.max(0, end - own);
    report.networks.push({ name, ifName, start: own, milliseconds, ordered: start });
  }
}

/** Notes attachments that one order made or removed: each has its share of the order's time. @param start milliseconds of `performance.now()` */
export function noteNative(report: RequestReport, attachments: readonly Attachment[], start: number): void {
  const milliseconds = (performance.now() - start) / attachments.length;
  for (const [index, { name, ifName }] of attachments.entries()) {
    report.networks.push({ name, ifName, start: start + index * milliseconds, milliseconds, isNative: true });
  }
}

/**
 * DELs what an ADD that failed has done, in reverse. A failure is only logged: the runtime's DEL tries it again.
 * @returns is all of it undone? Where it is not, the plan has to keep it for the pod's DEL
 */
export async function undo(call: Call, done: readonly Attachment[]): Promise<boolean> {
  const { chain, sandbox } = call;
  let isUndone = true;
  for (const attachment of done.toReversed()) {
    const { name, ifName, network } = attachment;
    try {
      const runtime = runtimeConf(call, sandbox, attachment);
      await deleteNetworkList(chain, network, runtime, { passOverMissing: true });
      removeDeviceInfo(call, sandbox.containerId, attachment);
    } catch (error) {
      isUndone = false;
      const { message } = podError(error, sandbox.pod, name);
      chain.log.error("cannot undo an attachment", { network: name, ifName, error: message });
      // Nobody is there to run a plugin any more.
      if (executorErrorCode(error) === "gone") break;
    }
  }
  return isUndone;
}
