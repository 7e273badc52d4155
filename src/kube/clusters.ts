/** Which cluster a request belongs to, and the clusters that are open: each is opened when it is first asked for, and stays open. */

import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../base/input-error.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import type { Clusters } from "../multus/cluster/cluster.ts";
import type { OpenCluster } from "./cluster.ts";
import type { ClusterState } from "./cluster-state.ts";
import type { DaemonSetFate } from "./daemon-set.ts";
import type { OwnDaemonSet } from "./own-daemon-set.ts";

/** A node belongs to one cluster. A netconf may name another one while its file is moved; more are a mistake. */
const maxClusters = 4;

export interface KubeClustersOptions {
  /** Path of the daemon's own kubeconfig; "" if it has none. It is every request's cluster. */
  readonly kubeconfig: string;
  /**
   * Is there a file of that name, usable or not? Asked for `kubeconfig` until it is open. Where there is none, and this process is a pod's, the pod's service account is used
   * in its place: Go multus's daemon does not look at the key, and ConfigMaps carry paths of the node.
   */
  readonly isThere: (path: string) => boolean;
  /** Is this process a pod's? Then its cluster is every request's, unless `kubeconfig` says otherwise. Asked until it is. */
  readonly isInCluster: () => boolean;
  /** Opens a cluster. @param kubeconfig path; "": that of the pod which this process belongs to */
  readonly open: (kubeconfig: string) => Promise<OpenCluster>;
  readonly log: Logger;
}

interface Opening {
  readonly opening: Promise<OpenCluster>;
  /** undefined until it is open. */
  cluster?: OpenCluster;
}

export class KubeClusters implements Clusters {
  readonly #options: KubeClustersOptions;
  /** By kubeconfig; "" is the pod's own. */
  readonly #open = new Map<string, Opening>();
  /** Why the last try to open the cluster failed that is every request's. */
  #failure = "its credentials are not there yet";
  readonly #refusals: OnceLog;
  #missing: string | undefined;

  constructor(options: KubeClustersOptions) {
    this.#options = options;
    this.#refusals = new OnceLog(options.log);
  }

  /** Statuses and events, of all clusters, that are not delivered yet. */
  get undelivered(): number {
    const deliveries = this.states.flatMap((state) => state.deliveries);
    return deliveries.reduce((sum, { pending }) => sum + pending, 0);
  }

  /**
   * The daemon's own kubeconfig goes first, then the cluster that the daemon is a pod of, then the netconf's kubeconfig.
   * @throws {InputError} where the kubeconfig cannot be used, or is one too many
   */
  async of(kubeconfig: string): Promise<OpenCluster | undefined> {
    const key = this.#choose(kubeconfig);
    return key === undefined ? undefined : (this.#open.get(key)?.opening ?? this.#begin(key));
  }

  /** Path of the daemon's own kubeconfig that is not there, so that the pod's service account is used; undefined where it is not so. */
  get missingKubeconfig(): string | undefined {
    return this.#missing;
  }

  get states(): readonly ClusterState[] {
    return Array.from(this.#open.values(), ({ cluster }) => cluster?.state).filter(
      (state) => state !== undefined,
    );
  }

  /**
   * Why the cluster that is every request's could not serve an ADD now; undefined: it could, or there is no such cluster. One that could not be opened is tried again, and not waited for.
   */
  problem(): string | undefined {
    const key = this.#choose("");
    if (key === undefined) return undefined;
    const { cluster } = this.#open.get(key) ?? {};
    if (cluster !== undefined) return cluster.problem();
    void this.#openOwn();
    return `the cluster cannot be used: ${this.#failure}`;
  }

  /** As {@link OpenCluster.fateOfDaemonSet} of the cluster that is every request's. */
  async fateOfDaemonSet(own: OwnDaemonSet, withinMs: number): Promise<DaemonSetFate> {
    const { cluster } = this.#open.get(this.#choose("") ?? "") ?? {};
    return (
      cluster?.fateOfDaemonSet(own, withinMs) ?? { isEnding: false, because: "there is no cluster to ask" }
    );
  }

  /** Opens the cluster of all requests, if there is one, so that its caches are warm when the first request comes. Never throws: a problem is logged. @returns undefined: there is none, or it could not be opened */
  warm(): Promise<OpenCluster | undefined> {
    return this.#openOwn((error) => this.#options.log.error("the cluster cannot be used", { error }));
  }

  /**
   * Delivers what is to be delivered, and closes all.
   * @param limitMs milliseconds for it
   * @param until a request that has to end before connections are closed; it has its own limit
   * @returns how many were not delivered
   */
  async close(limitMs: number, until?: Promise<unknown>): Promise<number> {
    // One that is still being opened, by a program that makes its credentials, has nothing to deliver.
    const givenUp = new AbortController();
    const tooLate = sleep(limitMs, undefined, { signal: givenUp.signal }).catch(() => undefined);
    const closing = Array.from(this.#open.values(), async ({ opening }) => {
      const cluster = await Promise.race([opening.catch(() => undefined), tooLate]);
      return cluster?.close(limitMs, until) ?? 0;
    });
    const undelivered = await Promise.all(closing);
    givenUp.abort();
    return undelivered.reduce((sum, count) => sum + count, 0);
  }

  /** @param onFailure told why it could not be opened; STATUS says it in any case */
  async #openOwn(onFailure?: (problem: string) => void): Promise<OpenCluster | undefined> {
    try {
      return await this.of("");
    } catch (error) {
      this.#failure = errorText(error);
      onFailure?.(this.#failure);
      return undefined;
    }
  }

  #choose(kubeconfig: string): string | undefined {
    const own = this.#options.kubeconfig;
    if (own !== "" && !this.#isReplaced(own)) return own;
    if (this.#open.has("") || this.#options.isInCluster()) return "";
    return kubeconfig === "" ? undefined : kubeconfig;
  }

  /** Is the pod's service account used in place of the daemon's own kubeconfig? Once it is, until the daemon ends: a file that comes later would split its pods between two clusters. */
  #isReplaced(own: string): boolean {
    if (this.#missing !== undefined) return true;
    if (this.#open.has(own) || this.#options.isThere(own) || !this.#options.isInCluster()) return false;
    this.#missing = own;
    this.#options.log.error(
      "the kubeconfig of the configuration is not there: the pod's service account is used",
      { kubeconfig: own },
    );
    return true;
  }

  #begin(key: string): Promise<OpenCluster> {
    const { open } = this.#options;
    if (this.#open.size >= maxClusters) {
      const message = `kubeconfig ${key}: ${maxClusters} others are in use already, more are not opened`;
      this.#refusals.error(message, undefined, "too many clusters");
      throw new InputError("content", message);
    }
    const begun: Opening = { opening: open(key) };
    this.#open.set(key, begun);
    // The next request tries again to open a cluster that could not be opened: the file may be there by then.
    begun.opening.then(
      (cluster) => {
        begun.cluster = cluster;
      },
      () => this.#open.delete(key),
    );
    return begun.opening;
  }
}
