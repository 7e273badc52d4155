/**
 * Pods that run without the networks that they select: they were started while the runtime did not call Multus. This file says when to look; the search itself is loaded where a pod
 * lacks its network-status.
 */

import { addTo, entryOf, setNewest } from "../../base/map-entry.ts";
import { errorText } from "../../log/error-text.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { type PodReference, podKey } from "../input/pod.ts";
import type { MissingNetworksOptions, MissingPod, MissingSearch } from "./missing-search.ts";

/**
 * Milliseconds to a second look: a runtime sees the file some milliseconds after it is there, and calls the cluster network alone until then; and the watch brings such a pod a moment
 * after it was made.
 */
const secondLookMs = 5_000;
/** Pods whose last ADD or DEL is remembered while a search goes on. */
const mostEnded = 4_096;

type PodName = Pick<PodReference, "namespace" | "name">;

interface OfCluster {
  readonly cluster: Cluster;
  readonly cniDirs: Set<string>;
  /** undefined: there was no pod to look for yet. */
  search: MissingSearch | undefined;
  /** Two looks at once have one search. */
  loading: Promise<MissingSearch> | undefined;
}

export class MissingNetworks {
  readonly #options: MissingNetworksOptions;
  readonly #clusters = new Map<Cluster, OfCluster>();
  /** By `namespace/name`: ADDs and DELs that are being worked on. */
  readonly #underWay = new Map<string, number>();
  /** By `namespace/name`, the oldest first: when the last of them ended, on the clock of `performance.now()`. Empty while nothing is looked for. */
  readonly #ended = new Map<string, number>();
  #looking = 0;

  constructor(options: MissingNetworksOptions) {
    this.#options = options;
  }

  /** Those that were found and still run so, in no order. */
  get pods(): readonly MissingPod[] {
    return Array.from(this.#clusters.values()).flatMap(({ search }) => search?.found ?? []);
  }

  /** Looks in the background when the cluster's pods are known. To be called once for each cluster and directory. Never throws. */
  begin(cluster: Cluster, cniDir: string): void {
    const none = (): OfCluster => ({ cluster, cniDirs: new Set(), search: undefined, loading: undefined });
    const of = entryOf(this.#clusters, cluster, none);
    of.cniDirs.add(cniDir);
    this.#lookTwice(of);
  }

  /** Looks again: the file by which the runtime finds Multus was written, and pods may have been started before. */
  again(): void {
    for (const of of this.#clusters.values()) this.#lookTwice(of);
  }

  /** An ADD or a DEL of the pod begins: whether the pod has its networks cannot be said at this moment. `ended` follows. */
  started(pod: PodName): void {
    const key = podKey(pod);
    addTo(this.#underWay, key, 1);
  }

  ended(pod: PodName): void {
    const key = podKey(pod);
    addTo(this.#underWay, key, -1);
    if (this.#isActive) setNewest(this.#ended, key, performance.now(), mostEnded);
  }

  get #isActive(): boolean {
    return this.#looking > 0 || Array.from(this.#clusters.values()).some(({ search }) => search?.isActive);
  }

  #lookTwice(of: OfCluster): void {
    this.#looking += 1;
    this.#lookNow(of, (key) => this.#underWay.has(key) || this.#ended.has(key))
      .then((isWatched) => {
        // Where pods are not watched there is nothing to look at later either.
        if (!isWatched) {
          this.#looked();
          return;
        }
        setTimeout(() => {
          this.#lookNow(of, (key) => this.#underWay.has(key))
            .catch((error: unknown) => this.#complain(error))
            .finally(() => this.#looked());
        }, secondLookMs).unref();
      })
      .catch((error: unknown) => {
        this.#complain(error);
        this.#looked();
      });
  }

  /**
   * @param isServed tells of a pod (`namespace/name`) whether what it lacks is on its way: a daemon that is started for an ADD would open a watch for it
   * @returns false: no pods are watched
   */
  async #lookNow(of: OfCluster, isServed: (key: string) => boolean): Promise<boolean> {
    const { cluster } = of;
    if (!(await cluster.pods.untilWatched())) return false;
    const lacking = Array.from(cluster.lacking.all()).filter((pod) => !isServed(podKey(pod)));
    if (lacking.length === 0) return true;
    of.loading ??= this.#newSearch(of);
    of.search = await of.loading;
    of.search.suspect(lacking);
    return true;
  }

  async #newSearch({ cluster, cniDirs }: OfCluster): Promise<MissingSearch> {
    const { MissingSearch } = await import("./missing-search.ts");
    const lastRequestAt = (key: string) =>
      this.#underWay.has(key) ? performance.now() : this.#ended.get(key);
    return new MissingSearch({ ...this.#options, cluster, cniDirs, lastRequestAt });
  }

  #looked(): void {
    this.#looking -= 1;
    if (!this.#isActive) this.#ended.clear();
  }

  #complain(error: unknown): void {
    this.#options.log.error("pods that run without their networks cannot be looked for", {
      error: errorText(error),
    });
  }
}
