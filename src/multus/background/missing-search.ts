/**
 * The search for pods of the node that run without the networks that they select: no plan on disk, no network-status, and their ADD is not under way. Suspects are the pods that lack a
 * network-status when a search begins. Their next change decides: most get a status a moment later, as their ADD has just been served. Loaded where there is a suspect.
 */

import { setImmediate as giveWay } from "node:timers/promises";
import { ResultCache } from "../../cni/cache.ts";
import type { Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import type { Cluster, FollowedPods, RunningPod } from "../cluster/cluster.ts";
import { networksMissing } from "../cluster/pod-events.ts";
import { type PodReference, podKey, podReference } from "../input/pod.ts";
import { podOf, readContainer } from "../state/container.ts";
import { plannedContainers } from "../state/plan-file.ts";
import { type Eviction, type EvictionPolicy, MissingEvictions } from "./evict-missing.ts";

/** Milliseconds from a change to the look: changes come in groups. */
const settleMs = 250;
/** After its last ADD or DEL a pod is not judged for so many milliseconds: the API's word that it has ended follows the DEL. */
const quietMs = 10_000;
/** How long a suspect that does not run is followed, in milliseconds: its image may be large. One that the host's network has stays a suspect as long. */
const suspectMs = 60 * 60 * 1000;
/** A node has some hundred pods; annotations make no more of them. */
const mostSuspects = 1_024;
/** Events of one search: 110 pods that were started at once are within it. Further pods are in the log, the metric and `multusctl ls --missing`. */
const mostEvents = 128;
/** Pods that a log line names. */
const podsNamed = 10;

export interface MissingPod {
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
  /** As {@link RunningPod} has it. */
  readonly controller: string;
  readonly isStatic: boolean;
  /** When it was found: ISO 8601, UTC. */
  readonly foundAt: string;
  /** State of its eviction; undefined: none is asked for. */
  readonly eviction: Eviction | undefined;
}

export interface MissingNetworksOptions {
  readonly kernels: Kernels;
  /** Which of the pods that are found are evicted; undefined: none. */
  readonly eviction: EvictionPolicy | undefined;
  readonly log: Logger;
}

interface MissingSearchOptions extends MissingNetworksOptions {
  readonly cluster: Cluster;
  /** Directories that have plans; may grow. */
  readonly cniDirs: ReadonlySet<string>;
  /** When the last ADD or DEL of a pod (`namespace/name`) was worked on, on the clock of `performance.now()`; undefined: none is known. */
  readonly lastRequestAt: (key: string) => number | undefined;
}

interface Suspect {
  readonly uid: string;
  /** Until when it is followed, on the clock of `performance.now()`. */
  readonly until: number;
}

interface Found {
  readonly running: RunningPod;
  readonly foundAt: string;
}

export class MissingSearch {
  readonly #options: MissingSearchOptions;
  readonly #evictions: MissingEvictions | undefined;
  /** By `namespace/name`; those that were found are not among them any more. */
  readonly #suspects = new Map<string, Suspect>();
  readonly #found = new Map<string, Found>();
  #followed: FollowedPods | undefined;
  #eventsLeft = mostEvents;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer ends, on the clock of `performance.now()`. */
  #lookAt = Number.POSITIVE_INFINITY;
  #isLooking = false;

  constructor(options: MissingSearchOptions) {
    this.#options = options;
    const { cluster, eviction, log } = options;
    this.#evictions = eviction && new MissingEvictions({ lacking: cluster.lacking, policy: eviction, log });
  }

  /** Is there a pod that is suspected, or was found? */
  get isActive(): boolean {
    return this.#followed !== undefined;
  }

  /** Those that were found, and still run so. */
  get found(): readonly MissingPod[] {
    return Array.from(this.#found, ([pod, { running, foundAt }]) => ({
      pod,
      uid: running.pod.uid,
      controller: running.controller,
      isStatic: running.isStatic,
      foundAt,
      eviction: this.#evictions?.of(pod),
    }));
  }

  /** Begins to follow pods that lack a network-status, beside those that are followed already. */
  suspect(pods: readonly PodReference[]): void {
    this.#eventsLeft = mostEvents;
    const until = performance.now() + suspectMs;
    for (const pod of pods) {
      const key = podKey(pod);
      if (this.#found.get(key)?.running.pod.uid === pod.uid) continue;
      if (this.#suspects.size < mostSuspects) this.#suspects.set(key, { uid: pod.uid, until });
    }
    this.#followed ??= this.#options.cluster.lacking.follow(() => this.#lookWithin(settleMs));
    this.#lookWithin(settleMs);
  }

  #lookWithin(milliseconds: number): void {
    const lookAt = performance.now() + milliseconds;
    if (lookAt >= this.#lookAt) return;
    clearTimeout(this.#timer);
    this.#lookAt = lookAt;
    this.#timer = setTimeout(() => this.#lookNow(), milliseconds);
    this.#timer.unref();
  }

  #lookNow(): void {
    this.#lookAt = Number.POSITIVE_INFINITY;
    // Changes that come meanwhile are looked at in the next look.
    if (this.#isLooking) {
      this.#lookWithin(settleMs);
      return;
    }
    this.#isLooking = true;
    this.#look()
      .catch((error: unknown) =>
        this.#options.log.error("pods that run without their networks were not looked for", {
          error: errorText(error),
        }),
      )
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #look(): Promise<void> {
    if (this.#followed === undefined) return;
    this.#forget();
    const candidates = this.#candidates(this.#followed);
    if (candidates.length > 0) {
      const planned = new PlannedPods();
      // A pod that is known to run has had its plan and its results on disk since before.
      await planned.read(this.#options);
      const still = new Set(this.#candidates(this.#followed).map(({ pod }) => pod.uid));
      const [withPlan = [], missing = []] = [true, false].map((hasPlan) =>
        candidates.filter((candidate) => still.has(candidate.pod.uid) && planned.has(candidate) === hasPlan),
      );
      // Their statuses are on their way.
      for (const { pod } of withPlan) this.#suspects.delete(podKey(pod));
      this.#report(missing);
    }
    this.#evictions?.follow(Array.from(this.#found.values(), ({ running }) => running));
    this.#endIfDone();
  }

  /** Forgets pods that lack nothing any more, are gone, or were followed for long enough. */
  #forget(): void {
    const now = performance.now();
    const { lacking } = this.#options.cluster;
    const uids = new Map(Array.from(lacking.all(), (pod) => [podKey(pod), pod.uid]));
    for (const [key, { uid, until }] of this.#suspects) {
      if (uids.get(key) !== uid || until <= now) this.#suspects.delete(key);
    }
    const running = new Set(Array.from(this.#followed?.running() ?? [], ({ pod }) => pod.uid));
    for (const [key, found] of this.#found) {
      const { uid } = found.running.pod;
      if (uids.get(key) !== uid || !running.has(uid)) this.#found.delete(key);
    }
  }

  /** Suspects that run, and have had no ADD or DEL for a while. */
  #candidates(followed: FollowedPods): RunningPod[] {
    const now = performance.now();
    return Array.from(followed.running()).filter(({ pod }) => {
      const key = podKey(pod);
      if (this.#suspects.get(key)?.uid !== pod.uid) return false;
      const quietAt = (this.#options.lastRequestAt(key) ?? Number.NEGATIVE_INFINITY) + quietMs;
      if (quietAt > now) this.#lookWithin(quietAt - now);
      return quietAt <= now;
    });
  }

  #report(missing: readonly RunningPod[]): void {
    if (missing.length === 0) return;
    const { cluster, log } = this.#options;
    const foundAt = new Date().toISOString();
    let events = 0;
    for (const running of missing) {
      const key = podKey(running.pod);
      this.#suspects.delete(key);
      this.#found.set(key, { running, foundAt });
      if (this.#eventsLeft === 0) continue;
      this.#eventsLeft -= 1;
      events += 1;
      cluster.sink.event({ ...running.pod, uid: running.runtimeUid }, networksMissing());
    }
    const named = missing.slice(0, podsNamed).map(({ pod }) => podKey(pod));
    log.error(
      "pods run without the networks that they select: they were started while Multus was not called",
      {
        count: missing.length,
        pods: named.join(","),
        notNamed: missing.length > named.length ? missing.length - named.length : undefined,
        withoutEvent: events < missing.length ? missing.length - events : undefined,
        hint: "multusctl ls --missing lists them; delete them so that they are made again",
      },
    );
  }

  #endIfDone(): void {
    if (this.#suspects.size + this.#found.size > 0) {
      const untils = Array.from(this.#suspects.values(), ({ until }) => until - performance.now());
      if (untils.length > 0) this.#lookWithin(Math.max(settleMs, Math.min(...untils)));
      return;
    }
    this.#followed?.close();
    this.#followed = undefined;
    clearTimeout(this.#timer);
    this.#lookAt = Number.POSITIVE_INFINITY;
  }
}

class PlannedPods {
  readonly #uids = new Set<string>();
  /** `namespace/name` of all of them, and of those whose UID the runtime has not said. */
  readonly #names = new Set<string>();
  readonly #namesWithoutUid = new Set<string>();

  async read({ kernels, cniDirs, log }: MissingSearchOptions): Promise<void> {
    for (const cniDir of cniDirs) {
      const cache = new ResultCache(cniDir, log);
      const unknown = new Set<string>();
      for await (const containerId of plannedContainers(cniDir)) {
        await giveWay();
        const pod = podOf(readContainer(cniDir, containerId, { kernels, cache }));
        if (pod === undefined) unknown.add(containerId);
        else this.#add(pod);
      }
      if (unknown.size === 0) continue;
      // A plan that is torn: any result of its container says whose it is.
      const mayBe = (containerId: string) => unknown.has(containerId);
      for await (const { containerId, args } of cache.entries({ mayBe, onUnknown: () => {} })) {
        if (unknown.has(containerId)) this.#add(podReference(args));
      }
    }
  }

  /** Of a static pod the runtime's UID is another than the object's. */
  has({ pod, isStatic }: RunningPod): boolean {
    const key = podKey(pod);
    return this.#uids.has(pod.uid) || this.#namesWithoutUid.has(key) || (isStatic && this.#names.has(key));
  }

  #add(pod: PodReference): void {
    const key = podKey(pod);
    this.#names.add(key);
    if (pod.uid === "") this.#namesWithoutUid.add(key);
    else this.#uids.add(pod.uid);
  }
}
