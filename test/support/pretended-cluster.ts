/** A cluster in memory, as src/multus uses one: its objects, and a record of requests and reports. */

import { CniError, CniErrorCode } from "../../src/cni/errors.ts";
import type {
  Cluster,
  Clusters,
  EvictionAnswer,
  PodDetails,
  RunningPod,
} from "../../src/multus/cluster/cluster.ts";
import type { PodEvent } from "../../src/multus/cluster/pod-events.ts";
import { isAnotherPod } from "../../src/multus/cluster/pod-lookup.ts";
import { type PodReference, podKey } from "../../src/multus/input/pod.ts";
import { selectsNetworks } from "../../src/multus/input/selection.ts";
import type { ClaimSource, ContainerDevices } from "../../src/multus/plan/devices.ts";
import type { Nad } from "../../src/multus/plan/nads.ts";

/** The API's error where it does not answer. */
export function apiIsAway(): CniError {
  return new CniError(CniErrorCode.tryAgainLater, "the API does not answer");
}

export class PretendedCluster implements Cluster, Clusters {
  /** Pods that the watch has, by `namespace/name`. */
  readonly watched = new Map<string, PodDetails>();
  /** Pods in the API, where they are not as the watch has them; undefined: no such pod. */
  readonly live = new Map<string, PodDetails | undefined>();
  readonly definitions = new Map<string, Nad>();
  /** No question is answered but from what is watched; with `never` no answer comes, not even a refusal. */
  away: boolean | "never" = false;
  /** Of STATUS. */
  trouble: string | undefined;
  /** The first list of networks. */
  listed: Promise<void> = Promise.resolve();
  /** Are the node's pods watched? */
  untilWatched: Promise<boolean> = Promise.resolve(false);
  /** Pods that have a network-status, as `namespace/name`. */
  readonly withStatus = new Set<string>();
  /** Questions about pods and NetworkAttachmentDefinitions, and what was told, in order: `find web retry`, `nad default/a`, `event AddedInterface`. */
  readonly trace: string[] = [];
  readonly events: (readonly [string, string, string])[] = [];
  /** Of whom the events were. */
  readonly subjects: PodReference[] = [];
  /** The last network-status, parsed. */
  status: unknown;
  statusOf: PodReference | undefined;
  readonly withdrawn: PodReference[] = [];

  async of(): Promise<Cluster> {
    return this;
  }

  /** @param key `namespace/name` */
  addPod(key: string, annotations: Readonly<Record<string, string>>, uid = "u-1", isStatic = false): void {
    this.watched.set(key, { annotations, uid, isStatic });
  }

  /** @param key `namespace/name` @param config spec.config: JSON, a text as it is; undefined: none */
  addNad(key: string, config: unknown, annotations: Readonly<Record<string, string>> = {}): void {
    const [namespace = "", name = ""] = key.split("/");
    const text = typeof config === "string" ? config : JSON.stringify(config);
    this.definitions.set(key, {
      namespace,
      name,
      config: config === undefined ? new Uint8Array() : Buffer.from(text),
      annotations,
      where: `NetworkAttachmentDefinition ${key}`,
    });
  }

  readonly pods = {
    find: async (pod: PodReference, options: { readonly retry: boolean }) => {
      this.trace.push(`find ${pod.name}${options.retry ? " retry" : ""}`);
      return this.watched.get(`${pod.namespace}/${pod.name}`) ?? this.#answer(pod);
    },
    ask: async (pod: PodReference) => {
      this.trace.push(`ask ${pod.name}`);
      return this.#answer(pod);
    },
    untilWatched: () => this.untilWatched,
    withoutStatus: (pod: PodReference) => {
      const key = `${pod.namespace}/${pod.name}`;
      const known = this.watched.get(key);
      return known === undefined || this.withStatus.has(key) || isAnotherPod(pod, known)
        ? undefined
        : { ...pod, uid: known.uid };
    },
  };

  /** Devices that pods have by claims, and the order of their containers, by `namespace/name`. */
  readonly claimed = new Map<string, readonly ContainerDevices[]>();
  readonly containers = new Map<string, readonly string[]>();
  readonly claims: ClaimSource = {
    containers: async (pod) => this.containers.get(podKey(pod)),
    devices: async (pod) => this.claimed.get(podKey(pod)) ?? [],
  };

  /** Pods that run, by `namespace/name`; those with a network-status, or gone from the watch, are left out as the API's answer does. */
  readonly running = new Map<string, Omit<RunningPod, "pod">>();
  /** Called when the watches bring a change. */
  readonly followers = new Set<() => void>();
  /** How often the pods that run were begun to be followed. */
  followed = 0;
  eviction: (pod: PodReference) => EvictionAnswer = () => ({
    outcome: "evicted",
    reason: "",
    retryAfterMs: 0,
  });
  readonly evicted: PodReference[] = [];

  /** A pod of the watch runs. @param key `namespace/name` */
  run(key: string, { controller = "ReplicaSet", runtimeUid }: Partial<RunningPod> = {}): void {
    const { uid = "", isStatic = false } = this.watched.get(key) ?? {};
    this.running.set(key, { runtimeUid: runtimeUid ?? uid, isStatic, controller });
    this.changed();
  }

  /** A pod is gone. */
  deletePod(key: string): void {
    this.watched.delete(key);
    this.running.delete(key);
    this.changed();
  }

  /** The watches have brought something. */
  changed(): void {
    for (const changed of this.followers) changed();
  }

  *#lacking(): Generator<readonly [string, PodReference]> {
    for (const [key, { annotations, uid }] of this.watched) {
      const [namespace = "", name = ""] = key.split("/");
      if (this.withStatus.has(key) || !selectsNetworks(annotations)) continue;
      yield [key, { namespace, name, uid, sandboxId: "" }];
    }
  }

  readonly lacking = {
    all: () => Array.from(this.#lacking(), ([, pod]) => pod),
    follow: (onChange: () => void) => {
      this.followed += 1;
      this.followers.add(onChange);
      return {
        running: () =>
          Array.from(this.#lacking()).flatMap(([key, pod]) => {
            const running = this.running.get(key);
            return running === undefined ? [] : [{ ...running, pod }];
          }),
        close: () => {
          this.followers.delete(onChange);
        },
      };
    },
    evict: async (pod: PodReference) => {
      this.evicted.push(pod);
      return this.eviction(pod);
    },
  };

  readonly nads = {
    get: async (namespace: string, name: string) => {
      this.trace.push(`nad ${namespace}/${name}`);
      const nad = this.definitions.get(`${namespace}/${name}`);
      if (nad === undefined) await this.#reach();
      return nad;
    },
    names: async () => [...this.definitions.values()],
  };

  readonly sink = {
    event: (pod: PodReference, { type, reason, message }: PodEvent) => {
      this.trace.push(`event ${reason}`);
      this.events.push([type, reason, message]);
      this.subjects.push(pod);
    },
    networkStatus: (pod: PodReference, status: Uint8Array) => {
      this.trace.push("status");
      this.status = JSON.parse(Buffer.from(status).toString("utf8"));
      this.statusOf = pod;
    },
    withdraw: (pod: PodReference) => {
      this.trace.push("withdraw");
      this.withdrawn.push(pod);
    },
  };

  problem(): string | undefined {
    return this.trouble;
  }

  async untilListed(): Promise<void> {
    await this.listed;
  }

  /** Reason and message of each event. */
  get reasons(): string[] {
    return this.events.map(([, reason, message]) => `${reason} ${message}`);
  }

  async #answer({ namespace, name }: PodReference): Promise<PodDetails | undefined> {
    await this.#reach();
    const key = `${namespace}/${name}`;
    return this.live.has(key) ? this.live.get(key) : this.watched.get(key);
  }

  async #reach(): Promise<void> {
    if (this.away === "never") await new Promise(() => {});
    if (this.away) throw apiIsAway();
  }
}
