/** Network-statuses that wait to be written: at most one for each pod, the newest, for a bounded time. */

import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { type PodReference, podKey } from "../multus/input/pod.ts";
import { type Lane, Parcel } from "./delivery.ts";
import { lacksRight, MissingRight, usualForbiddenMs } from "./forbidden.ts";
import type { NetworkStatusWriter } from "./network-status.ts";

export interface StatusBounds {
  readonly keptMs: number;
  readonly most: number;
  /** Bytes of all that wait. */
  readonly mostBytes: number;
  /** For how long a missing right does not count. */
  readonly forbiddenMs: number;
}

/**
 * Ten minutes: API servers are restarted and upgraded in less, and readers of a network-status do not wait longer. A node has some hundred
 * pods: a thousand are those of a node that is emptied and filled again meanwhile, with 8 KiB each. One may have 256 KiB.
 */
export const usualStatusBounds: StatusBounds = {
  keptMs: 10 * 60_000,
  most: 1_000,
  mostBytes: 8 << 20,
  forbiddenMs: usualForbiddenMs,
};

class PendingStatus extends Parcel {
  readonly pod: PodReference;
  readonly text: string;
  /** On the clock of `performance.now()`. */
  readonly givenUpAt: number;
  /** Withdrawn, or there is a newer one. */
  isWanted = true;
  lastError: unknown;

  constructor(pod: PodReference, text: string, keptMs: number) {
    super();
    this.pod = pod;
    this.text = text;
    this.givenUpAt = performance.now() + keptMs;
  }
}

const reasons = {
  gone: "there is no such pod any more",
  replaced: "the name is another pod's by now",
  unwanted: "its sandbox is going, or there is a newer one",
} as const;

export class PendingStatuses implements Lane {
  readonly atOnce = Number.POSITIVE_INFINITY;
  readonly #writer: NetworkStatusWriter;
  readonly #log: Logger;
  readonly #bounds: StatusBounds;
  readonly #right: MissingRight;
  readonly #onGivenUp: (pod: PodReference, why: string) => void;
  /** By namespace/name, in the order in which they are tried. */
  readonly #waiting = new Map<string, PendingStatus>();
  /** The same for those that are being written. One at a time for each pod: the newer has to arrive last. */
  readonly #underWay = new Map<string, PendingStatus>();
  givenUp = 0;

  /** @param onGivenUp called for every status that could not be written, after it was logged */
  constructor(
    writer: NetworkStatusWriter,
    log: Logger,
    bounds: StatusBounds,
    onGivenUp: (pod: PodReference, why: string) => void,
  ) {
    this.#writer = writer;
    this.#log = log;
    this.#bounds = bounds;
    this.#right = new MissingRight(bounds.forbiddenMs);
    this.#onGivenUp = onGivenUp;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** @param pod its names are fit for a path of the API @param text the annotation's value */
  add(pod: PodReference, text: string): void {
    const key = podKey(pod);
    const older = this.#underWay.get(key);
    if (older !== undefined) older.isWanted = false;
    this.#waiting.delete(key);
    const status = new PendingStatus(pod, text, this.#bounds.keptMs);
    this.#makeRoom(status.text.length);
    this.#waiting.set(key, status);
  }

  #makeRoom(bytes: number): void {
    const { most, mostBytes } = this.#bounds;
    let waitingBytes = bytes;
    for (const { text } of this.#waiting.values()) waitingBytes += text.length;
    for (const oldest of this.#waiting.values()) {
      if (this.#waiting.size < most && waitingBytes <= mostBytes) return;
      const others = this.#waiting.size;
      waitingBytes -= oldest.text.length;
      this.#giveUp(oldest, `${others} others are waiting`);
    }
  }

  /** Drops the status of this sandbox; one of another sandbox of the pod stays. */
  withdraw(pod: PodReference): void {
    const key = podKey(pod);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && isSameSandbox(waiting.pod, pod)) this.#waiting.delete(key);
    const underWay = this.#underWay.get(key);
    // A status that has been sent cannot be taken back, but is not tried again.
    if (underWay !== undefined && isSameSandbox(underWay.pod, pod)) underWay.isWanted = false;
  }

  take(now: number): PendingStatus | undefined {
    for (const [key, status] of this.#waiting) {
      if (status.givenUpAt <= now) {
        this.#giveUp(status, late(this.#bounds.keptMs, status.lastError));
      } else if (status.notBefore <= now && !this.#underWay.has(key)) {
        this.#waiting.delete(key);
        this.#underWay.set(key, status);
        return status;
      }
    }
    return undefined;
  }

  readyAt(now: number): number {
    let at = Number.POSITIVE_INFINITY;
    for (const [key, status] of this.#waiting) {
      if (!this.#underWay.has(key)) at = Math.min(at, Math.max(status.notBefore, now));
    }
    return at;
  }

  async send(status: PendingStatus, signal: AbortSignal): Promise<void> {
    const { pod, tries } = status;
    const outcome = await this.#writer.write(status, signal);
    const fields = { pod: podKey(pod), uid: pod.uid };
    if (outcome === "written") this.#log.debug("network-status written", { ...fields, failed: tries });
    else this.#log.verbose(`network-status not written: ${reasons[outcome]}`, fields);
  }

  delivered(status: PendingStatus): void {
    this.#right.present();
    this.#underWay.delete(podKey(status.pod));
  }

  putBack(status: PendingStatus, error: unknown): void {
    const key = podKey(status.pod);
    this.#underWay.delete(key);
    const isForbidden = lacksRight(error) && this.#right.missing();
    if (!status.isWanted) return;
    status.lastError = error;
    if (isForbidden) this.#giveUp(status, errorText(error));
    else this.#waiting.set(key, status);
  }

  refused(status: PendingStatus, error: unknown): void {
    this.#underWay.delete(podKey(status.pod));
    if (status.isWanted) this.#giveUp(status, errorText(error));
  }

  /** Logs those that were not written; one that is under way may still arrive. */
  close(): void {
    for (const status of [...this.#underWay.values(), ...this.#waiting.values()]) {
      if (status.isWanted) this.#report(status, "the daemon ends");
    }
    this.#underWay.clear();
    this.#waiting.clear();
  }

  #giveUp(status: PendingStatus, why: string): void {
    this.#waiting.delete(podKey(status.pod));
    this.#report(status, why);
    this.#onGivenUp(status.pod, why);
  }

  #report({ pod, tries }: PendingStatus, why: string): void {
    this.givenUp += 1;
    this.#log.error("network-status not written", { pod: podKey(pod), uid: pod.uid, tries, error: why });
  }
}

function late(milliseconds: number, lastError: unknown): string {
  const met = lastError === undefined ? "" : `: ${errorText(lastError)}`;
  return `the API could not be written to for ${Math.round(milliseconds / 1_000)} s${met}`;
}

/** Two references to a pod of one name: by sandbox where both say it, else by uid, else by name alone. */
function isSameSandbox(one: PodReference, other: PodReference): boolean {
  if (one.sandboxId !== "" && other.sandboxId !== "") return one.sandboxId === other.sandboxId;
  return one.uid === "" || other.uid === "" || one.uid === other.uid;
}
