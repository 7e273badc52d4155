/**
 * Network-statuses that a daemon which was killed had not delivered: made again from what is on disk. An ADD does not wait for its status, so
 * the pod of a killed daemon may run without one, and nobody else would ever write it.
 */

import { statSync } from "node:fs";
import { setImmediate as giveWay } from "node:timers/promises";
import { isMissingFile } from "../../base/system-error.ts";
import { ResultCache } from "../../cni/cache.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { type StatusPart, sendNetworkStatus } from "../cluster/network-status.ts";
import type { LastingKeys } from "../input/netconf.ts";
import { type PodReference, podKey } from "../input/pod.ts";
import { isClusterNetwork } from "../plan/delegate.ts";
import type { Containers } from "../request/busy.ts";
import { hasWholePlan, podOf, readContainer } from "../state/container.ts";
import { plannedContainers, planPath } from "../state/plan-file.ts";

export interface RestorerOptions {
  readonly kernels: Kernels;
  /** Containers that a request is being worked on for: their status is the request's. */
  readonly busy: Containers;
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

export class StatusRestorer {
  readonly #options: RestorerOptions;
  /** The directories that were looked through, or will be once the cluster's pods are known. */
  readonly #begun = new WeakMap<Cluster, Set<string>>();

  constructor(options: RestorerOptions) {
    this.#options = options;
  }

  /** Begins in the background, once for each cluster and directory. Never throws. */
  begin(cluster: Cluster, { cniDir }: LastingKeys): void {
    let directories = this.#begun.get(cluster);
    if (directories === undefined) {
      directories = new Set();
      this.#begun.set(cluster, directories);
    }
    if (directories.has(cniDir)) return;
    directories.add(cniDir);
    this.#restore(cluster, cniDir).catch((error: unknown) => {
      this.#options.log.error("cannot rebuild missing network-statuses", {
        cniDir,
        error: errorText(error),
      });
    });
  }

  async #restore(cluster: Cluster, cniDir: string): Promise<void> {
    if (!(await cluster.pods.untilWatched())) return;
    const cache = new ResultCache(cniDir, this.#options.log);
    let plans = 0;
    /** By `namespace/name`: an old sandbox that was not taken away yet says nothing about the pod as it is. */
    const newest = new Map<string, Candidate>();
    for await (const containerId of plannedContainers(cniDir)) {
      plans += 1;
      await giveWay();
      const candidate = this.#candidateOf(cluster, cniDir, cache, containerId);
      if (candidate === undefined) continue;
      const key = podKey(candidate.podObject);
      if (candidate.plannedAt >= (newest.get(key)?.plannedAt ?? 0)) newest.set(key, candidate);
    }
    let restored = 0;
    for (const candidate of newest.values()) {
      await giveWay();
      if (this.#send(cluster, cniDir, cache, candidate)) restored += 1;
    }
    this.#options.log.verbose("network-statuses of earlier pods were checked", {
      cniDir,
      plans,
      missing: newest.size,
      restored,
    });
  }

  /** Nothing else runs meanwhile: what is handed over is what the disk says at that moment. @returns false: there is no status to hand over */
  #send(
    cluster: Cluster,
    cniDir: string,
    cache: ResultCache,
    { containerId, podObject }: Candidate,
  ): boolean {
    const { kernels, busy, log } = this.#options;
    if (busy.has(containerId)) return false;
    const container = readContainer(cniDir, containerId, { kernels, cache });
    const parts = container.attachments.flatMap(
      ({ name, ifName, plugins, cached }, place): StatusPart | [] => {
        const result = cached?.result;
        const firstPlugin = plugins[0] ?? "";
        return result === undefined
          ? []
          : { name, ifName, isDefault: isClusterNetwork(place), result, firstPlugin };
      },
    );
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

  /** @returns undefined where the container's pod has its status, or it cannot be told whose it is */
  #candidateOf(
    { pods }: Cluster,
    cniDir: string,
    cache: ResultCache,
    containerId: string,
  ): Candidate | undefined {
    const { kernels } = this.#options;
    const pod = podOf(readContainer(cniDir, containerId, { kernels, cache }));
    // Without a UID it may be another pod of that name.
    if (pod === undefined || pod.uid === "") return undefined;
    const podObject = pods.withoutStatus(pod);
    if (podObject === undefined) return undefined;
    const plannedAt = plannedAtOf(cniDir, containerId);
    return plannedAt === undefined ? undefined : { containerId, plannedAt, podObject };
  }
}

/** undefined: it is gone. */
function plannedAtOf(cniDir: string, containerId: string): number | undefined {
  try {
    return statSync(planPath(cniDir, containerId)).mtimeMs;
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}
