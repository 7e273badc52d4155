/** Evicts pods that run without their networks, where the daemon's configuration asks for that (onMissingNetworks): one after the other, and again later where a PodDisruptionBudget is against it. */

import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { OnceLog } from "../../log/once-log.ts";
import type { LackingPods, RunningPod } from "../cluster/cluster.ts";
import { type PodReference, podKey } from "../input/pod.ts";

/** Milliseconds between two evictions of a node: the pods that take the places have to be started as well. */
const paceMs = 2_000;
/** Between two tries for one pod; doubled each time. A PodDisruptionBudget counts pods that have become ready meanwhile. */
const firstPauseMs = 10_000;
const longestPauseMs = 5 * 60_000;

export interface EvictionPolicy {
  /** Those of DaemonSets too. */
  readonly daemonSets: boolean;
  /** Those that no controller makes again too. */
  readonly barePods: boolean;
  /** Does the runtime find Multus now? Otherwise a pod that takes the place might lack its networks too. */
  readonly isMultusCalled: () => boolean;
}

/** `spared`: not evicted, as the policy says; `waits`: to be tried; `refused`: the API does not let it be done. */
export interface Eviction {
  readonly state: "spared" | "waits" | "asked" | "refused";
  /** Why; "" where it is said by the state. */
  readonly reason: string;
}

interface Entry {
  readonly pod: PodReference;
  state: Eviction["state"];
  reason: string;
  /** On the clock of `performance.now()`. */
  notBefore: number;
  pause: number;
}

interface MissingEvictionsOptions {
  readonly lacking: Pick<LackingPods, "evict">;
  readonly policy: EvictionPolicy;
  readonly log: Logger;
}

export class MissingEvictions {
  readonly #options: MissingEvictionsOptions;
  /** By `namespace/name`. */
  readonly #entries = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  /** Where the right is missing, every pod's eviction is refused. */
  readonly #refusals: OnceLog;

  constructor(options: MissingEvictionsOptions) {
    this.#options = options;
    this.#refusals = new OnceLog(options.log, longestPauseMs);
  }

  /** @param key `namespace/name` */
  of(key: string): Eviction | undefined {
    const entry = this.#entries.get(key);
    return entry && { state: entry.state, reason: entry.reason };
  }

  /** @param pods all that lack their networks now */
  follow(pods: readonly RunningPod[]): void {
    const now = performance.now();
    const uids = new Map(pods.map(({ pod }) => [podKey(pod), pod.uid]));
    for (const [key, { pod }] of this.#entries) if (uids.get(key) !== pod.uid) this.#entries.delete(key);
    for (const running of pods) {
      const key = podKey(running.pod);
      if (this.#entries.has(key)) continue;
      const reason = reasonToSpare(running, this.#options.policy);
      this.#entries.set(key, {
        pod: running.pod,
        state: reason === "" ? "waits" : "spared",
        reason,
        notBefore: now,
        pause: firstPauseMs,
      });
    }
    this.#setTimer();
  }

  #setTimer(): void {
    if (this.#isAsking || this.#timer !== undefined) return;
    let at = Number.POSITIVE_INFINITY;
    for (const { state, notBefore } of this.#entries.values()) {
      if (state !== "spared") at = Math.min(at, notBefore);
    }
    if (at === Number.POSITIVE_INFINITY) return;
    const delay = Math.max(paceMs, at - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#isAsking = true;
      this.#next()
        .catch((error: unknown) =>
          this.#options.log.error("pods could not be evicted", { error: errorText(error) }),
        )
        .finally(() => {
          this.#isAsking = false;
          this.#setTimer();
        });
    }, delay);
    this.#timer.unref();
  }

  /** Asks for the eviction of the pod whose turn it is. */
  async #next(): Promise<void> {
    const { lacking, policy, log } = this.#options;
    const now = performance.now();
    const entry = Array.from(this.#entries.values()).find(
      ({ state, notBefore }) => state !== "spared" && notBefore <= now,
    );
    if (entry === undefined) return;
    const key = podKey(entry.pod);
    if (!policy.isMultusCalled()) {
      entry.reason = "00-multus.conf is not in place";
      entry.notBefore = now + firstPauseMs;
      return;
    }
    const { outcome, reason, retryAfterMs } = await lacking.evict(entry.pod);
    switch (outcome) {
      case "evicted":
        log.verbose("pod evicted, as it runs without its networks", { pod: key, uid: entry.pod.uid });
        // It is followed until it is gone; one that is not being deleted by then is asked for again.
        this.#later(entry, "asked", "", longestPauseMs);
        break;
      case "gone":
        this.#entries.delete(key);
        break;
      case "later":
        log.verbose("pod not evicted yet, though it runs without its networks", { pod: key, error: reason });
        this.#later(entry, "waits", reason, retryAfterMs);
        break;
      case "refused":
        this.#refusals.error("pod not evicted, though it runs without its networks", {
          pod: key,
          error: reason,
          hint: "onMissingNetworks: evict needs create on pods/eviction (deploy/components/evict-missing)",
        });
        this.#later(entry, "refused", reason, longestPauseMs);
    }
  }

  #later(entry: Entry, state: Eviction["state"], reason: string, leastMs: number): void {
    entry.state = state;
    entry.reason = reason;
    entry.notBefore = performance.now() + Math.max(entry.pause, leastMs);
    entry.pause = Math.min(entry.pause * 2, longestPauseMs);
  }
}

/** @returns "": it is evicted */
function reasonToSpare(
  { isStatic, controller }: RunningPod,
  { daemonSets, barePods }: Pick<EvictionPolicy, "daemonSets" | "barePods">,
): string {
  if (isStatic) return "a static pod: only its mirror would go";
  if (controller === "DaemonSet" && !daemonSets) return "a pod of a DaemonSet (evictAlso: daemonSets)";
  if (controller === "" && !barePods) return "no controller makes it again (evictAlso: barePods)";
  return "";
}
