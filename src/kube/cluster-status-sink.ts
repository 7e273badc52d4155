/** Delivers network-statuses and events to the API in the background: each is kept, within bounds, until the API has accepted it. */

import { hostname } from "node:os";
import type { Logger } from "../log/logger.ts";
import type { StatusSink } from "../multus/cluster/cluster.ts";
import type { PodEvent } from "../multus/cluster/pod-events.ts";
import type { PodReference } from "../multus/input/pod.ts";
import type { Api } from "./api.ts";
import type { BackOffLimits } from "./back-off.ts";
import type { DeliveryState } from "./cluster-state.ts";
import { Delivery, usualPauses } from "./delivery.ts";
import { NetworkStatusWriter } from "./network-status.ts";
import { isNamespaceName, isObjectName } from "./object-names.ts";
import { type EventBounds, PendingEvents, usualEventBounds } from "./pending-events.ts";
import { PendingStatuses, type StatusBounds, usualStatusBounds } from "./pending-statuses.ts";

export interface ClusterStatusSinkOptions {
  readonly api: Api;
  /** The reporting instance of events; "": the host's name. */
  readonly nodeName: string;
  readonly log: Logger;
  readonly pauses?: BackOffLimits;
  readonly statusBounds?: StatusBounds;
  readonly eventBounds?: EventBounds;
}

export class ClusterStatusSink implements StatusSink {
  readonly #log: Logger;
  readonly #statuses: PendingStatuses;
  readonly #events: PendingEvents;
  readonly #delivery: Delivery;
  #isClosed = false;

  constructor({ api, nodeName, log, ...options }: ClusterStatusSinkOptions) {
    this.#log = log;
    const instance = nodeName || hostname() || "unknown";
    this.#events = new PendingEvents(api, instance, log, options.eventBounds ?? usualEventBounds);
    const writer = new NetworkStatusWriter(api, log);
    const bounds = options.statusBounds ?? usualStatusBounds;
    this.#statuses = new PendingStatuses(writer, log, bounds, (pod, why) => {
      const message = `the network-status could not be written: ${why}`;
      this.#events.add(pod, { type: "Warning", reason: "NetworkStatusNotWritten", message });
      this.#delivery.wake();
    });
    this.#delivery = new Delivery([this.#statuses, this.#events], log, options.pauses ?? usualPauses);
  }

  get deliveries(): readonly DeliveryState[] {
    return [
      { kind: "status", ...this.#delivery.countsOf(this.#statuses) },
      { kind: "event", ...this.#delivery.countsOf(this.#events) },
    ];
  }

  /** Statuses and events that are not delivered yet. */
  get pending(): number {
    return this.#delivery.pending;
  }

  event(pod: PodReference, event: PodEvent): void {
    if (!this.#isDeliverable(pod, "event")) return;
    this.#events.add(pod, event);
    this.#delivery.wake();
  }

  networkStatus(pod: PodReference, status: Uint8Array): void {
    if (!this.#isDeliverable(pod, "network-status")) return;
    this.#statuses.add(pod, Buffer.from(status.buffer, status.byteOffset, status.length).toString("utf8"));
    this.#delivery.wake();
  }

  withdraw(pod: PodReference): void {
    this.#statuses.withdraw(pod);
    this.#delivery.wake();
  }

  /**
   * Waits until all is delivered; tries go on meanwhile.
   * @param limitMs milliseconds, at most
   * @returns how much is not delivered
   */
  async flush(limitMs: number): Promise<number> {
    this.#events.hurry();
    this.#delivery.wake();
    await this.#delivery.settle(limitMs);
    return this.pending;
  }

  /** Ends all deliveries. Reports that were not delivered are logged; later ones are ignored. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#delivery.close();
    this.#statuses.close();
    this.#events.close();
  }

  /** Not where CNI_ARGS name no pod. */
  #isDeliverable(pod: PodReference, what: string): boolean {
    if (this.#isClosed) return false;
    if (isNamespaceName(pod.namespace) && isObjectName(pod.name)) return true;
    this.#log.verbose(`${what} not sent: CNI_ARGS name no pod`, {
      namespace: pod.namespace,
      pod: pod.name,
    });
    return false;
  }
}
