/**
 * Network-statuses that a daemon which was killed had not delivered: made again from what is on disk. An ADD does not wait for its status, so
 * the pod of a killed daemon may run without one, and nobody else would ever write it.
 */

import { statSync } from "node:fs";
import { setImmediate as giveWay } from "node:timers/promises";
import { ifThere } from "../../base/system-error.ts";
import { ResultCache } from "../../cni/cache.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { type StatusPart, sendNetworkStatus } from "../cluster/network-status.ts";
import { type PodReference, podKey } from "../input/pod.ts";
import { isClusterNetwork } from "../plan/delegate.ts";
import type { AttachmentIdentity, DeviceInfoFiles } from "../plan/devices.ts";
import type { BusyContainers } from "../request/busy.ts";
import { hasWholePlan, podOf, readContainer } from "../state/container.ts";
import { plannedContainers, planPath } from "../state/plan-file.ts";

interface RestorerOptions {
  readonly kernels: Kernels;
  /** Containers that a request is being worked on for: their status is the request's. */
  readonly busy: Pick<BusyContainers, "has">;
  /** Device information files; undefined: attachments have none. */
  readonly deviceInfo: DeviceInfoFiles | undefined;
  readonly log: Logger;
}

/** A container whose pod lacks its status. */
interface Candidate {
  readonly containerId: string;
  /** When its plan was written, in milliseconds. */
  readonly plannedAt: number;
  /** The pod as an object of the cluster. */
  readonly podObject: PodReference;
}

/** Rebuilds the missing ones of a cluster's pods that have their state below `cniDir`. Never throws. */
export async function restoreStatuses(
  cluster: Cluster,
  cniDir: string,
  options: RestorerOptions,
): Promise<void> {
  const { log } = options;
  try {
    if (!(await cluster.pods.untilWatched())) return;
    const disk = { ...options, cluster, cniDir, cache: new ResultCache(cniDir, log) };
    let plans = 0;
    /** By `namespace/name`: an old sandbox that was not taken away yet says nothing about the pod as it is. */
    const newest = new Map<string, Candidate>();
    for await (const containerId of plannedContainers(cniDir)) {
      plans += 1;
      await giveWay();
      const candidate = candidateOf(disk, containerId);
      if (candidate === undefined) continue;
      const key = podKey(candidate.podObject);
      if (candidate.plannedAt >= (newest.get(key)?.plannedAt ?? 0)) newest.set(key, candidate);
    }
    let restored = 0;
    for (const candidate of newest.values()) {
      await giveWay();
      if (send(disk, candidate)) restored += 1;
    }
    const found = { cniDir, plans, missing: newest.size, restored };
    log.verbose("network-statuses of earlier pods were checked", found);
  } catch (error) {
    log.error("cannot rebuild missing network-statuses", { cniDir, error: errorText(error) });
  }
}

/** The pods of a cluster, and a directory with their state. */
interface Disk extends RestorerOptions {
  readonly cluster: Cluster;
  readonly cniDir: string;
  readonly cache: ResultCache;
}

/** Nothing else runs meanwhile: what is handed over is what the disk says at that moment. @returns false: there is no status to hand over */
function send(disk: Disk, { containerId, podObject }: Candidate): boolean {
  const { cluster, kernels, busy, log } = disk;
  if (busy.has(containerId)) return false;
  const container = readContainer(disk.cniDir, containerId, disk);
  const parts = container.attachments.flatMap(({ name, ifName, plugins, cached }, place): StatusPart | [] => {
    const result = cached?.result;
    if (result === undefined) return [];
    return {
      name,
      ifName,
      isDefault: isClusterNetwork(place),
      result,
      deviceInfo: deviceInfoOf(disk, { name, containerId, ifName }),
      firstPlugin: plugins[0] ?? "",
    };
  });
  // An ADD that is not finished, or a DEL.
  if (!hasWholePlan(container) || parts.length < container.attachments.length) return false;
  try {
    sendNetworkStatus({ cluster, podObject }, kernels, parts);
    return true;
  } catch (error) {
    log.error("cannot rebuild a missing network-status", {
      pod: podKey(podObject),
      container: containerId,
      error: errorText(error),
    });
    return false;
  }
}

/** The attachment's device information; undefined: it has none that can be used. */
function deviceInfoOf({ deviceInfo, log }: Disk, attachment: AttachmentIdentity): Uint8Array | undefined {
  try {
    return deviceInfo?.read(attachment);
  } catch (error) {
    log.error("cannot read the device information of an attachment", {
      network: attachment.name,
      ifName: attachment.ifName,
      error: errorText(error),
    });
    return undefined;
  }
}

/** @returns undefined where the container's pod has its status, or it cannot be told whose it is */
function candidateOf(disk: Disk, containerId: string): Candidate | undefined {
  const pod = podOf(readContainer(disk.cniDir, containerId, disk));
  // Without a UID it may be another pod of that name.
  if (pod === undefined || pod.uid === "") return undefined;
  const podObject = disk.cluster.pods.withoutStatus(pod);
  if (podObject === undefined) return undefined;
  const plannedAt = ifThere(() => statSync(planPath(disk.cniDir, containerId)).mtimeMs);
  return plannedAt === undefined ? undefined : { containerId, plannedAt, podObject };
}
