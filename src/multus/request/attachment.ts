/** A network at an interface of a container: its parameters for libcni, and its time in the report. */

import type { CachedAttachment } from "../../cni/cache.ts";
import type { NetworkConfigList, RuntimeConf } from "../../cni/types.ts";
import type { AttachmentRequest } from "../input/selection.ts";
import { capabilityArgs } from "../plan/capability-args.ts";
import { deviceInfoPath } from "../plan/devices.ts";
import type { Call, Sandbox } from "./call.ts";
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

/** When work on an attachment began and ended, in milliseconds of `performance.now()`. */
export interface WorkTime {
  readonly start: number;
  readonly end: number;
  /** It was begun before the one before it had ended. */
  readonly isAhead: boolean;
  /** One order does it, for all of these attachments. */
  readonly isNative: boolean;
}

/** @param start milliseconds of `performance.now()` @returns the time until now */
export function timeSince(start: number, kind: Pick<WorkTime, "isAhead" | "isNative">): WorkTime {
  return { start, end: performance.now(), ...kind };
}

export interface Worked {
  readonly attachment: Attachment;
  /** undefined: it is noted already, or nothing was done. */
  readonly time?: WorkTime | undefined;
}

/**
 * Notes attachments of a step. The time of those that were begun before the step before had ended counts from its end on; those that one order made or removed have each its share of the
 * order's time.
 */
export function noteWork({ networks }: RequestReport, worked: readonly Worked[]): void {
  const before = networks.at(-1);
  const endBefore = before === undefined ? 0 : before.start + before.milliseconds;
  const natives = worked.filter(({ time }) => time?.isNative === true).length;
  let share = 0;
  for (const { attachment, time } of worked) {
    if (time === undefined) continue;
    const { name, ifName } = attachment;
    const { start, end, isAhead, isNative } = time;
    const from = isAhead ? Math.max(start, endBefore) : start;
    const milliseconds = Math.max(0, end - from) / (isNative ? natives : 1);
    networks.push({
      name,
      ifName,
      start: isNative ? from + share++ * milliseconds : from,
      milliseconds,
      ...(isAhead ? { ordered: start } : {}),
      ...(isNative ? { isNative } : {}),
    });
  }
}
