/** The pods of this node: a watch of them, and requests for those that the watch does not have. */

import { isJsonObject, objectAt, textOf } from "../base/json.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import type { PodDetails, PodSource } from "../multus/cluster/cluster.ts";
import { configSourceAnnotation, isAnotherPod, isStaticPod } from "../multus/cluster/pod-lookup.ts";
import { type PodReference, podKey } from "../multus/input/pod.ts";
import { podAnnotationsRead, selectsNetworks } from "../multus/input/selection.ts";
import { type Api, metadataOnly } from "./api.ts";
import { BodyBudget, type Budgeted } from "./body-budget.ts";
import type { WatchState } from "./cluster-state.ts";
import { Lookup, patienceMs } from "./lookup.ts";
import { statusAnnotation } from "./network-status.ts";
import { type ObjectMeta, Reflector, syncPatienceMs } from "./reflector.ts";

const keptAnnotations = [...podAnnotationsRead, configSourceAnnotation];
/** One object for the many pods of a node that have none. */
const noAnnotations: Readonly<Record<string, string>> = {};
/** Bytes that the pods of a node may take. An annotation may have 256 KiB; those of 250 ordinary pods that are kept have 50 KB. */
const usualPodBytes = 8 << 20;
/** Bytes of an answer with one pod's metadata: etcd takes 1.5 MiB. */
const longestAnswer = 4 << 20;

export interface KeptPod extends PodDetails {
  /** True for any value, by any author. */
  readonly hasNetworkStatus: boolean;
  /** Does it ask for other networks than every pod gets? Known also where its annotations are left out. */
  readonly selectsNetworks: boolean;
  /** Its deletion has begun (metadata.deletionTimestamp). */
  readonly isBeingDeleted: boolean;
}

/**
 * The part of a pod that is kept.
 * @param object anything: members of another type count as missing
 */
export function keptPod(object: unknown): KeptPod {
  const metadata = objectAt(object, "metadata");
  const annotations = texts(metadata.annotations);
  return {
    uid: textOf(metadata.uid),
    annotations,
    isStatic: isStaticPod(annotations),
    hasNetworkStatus: statusAnnotation in objectAt(metadata.annotations),
    selectsNetworks: selectsNetworks(annotations),
    isBeingDeleted: typeof metadata.deletionTimestamp === "string",
  };
}

/** Does it select networks, and have no network-status although it stays? */
export function lacksStatus({ selectsNetworks, hasNetworkStatus, isBeingDeleted }: KeptPod): boolean {
  return selectsNetworks && !hasNetworkStatus && !isBeingDeleted;
}

function texts(annotations: unknown): Readonly<Record<string, string>> {
  if (!isJsonObject(annotations)) return noAnnotations;
  const kept: Record<string, string> = {};
  for (const key of keptAnnotations) {
    const text = annotations[key];
    if (typeof text === "string") kept[key] = text;
  }
  return Object.keys(kept).length === 0 ? noAnnotations : kept;
}

/** A pod of the watch. Annotations that memory has no room for are left out. */
class WatchedPod implements Budgeted {
  readonly namespace: string;
  readonly name: string;
  details: KeptPod;
  isWhole = true;

  constructor({ namespace, name }: ObjectMeta, details: KeptPod) {
    this.namespace = namespace;
    this.name = name;
    this.details = details;
  }

  get bodyBytes(): number {
    const texts = Object.values(this.details.annotations);
    return texts.reduce((sum, text) => sum + memoryOf(text), 0);
  }

  dropBody(): void {
    this.isWhole = false;
    this.details = { ...this.details, annotations: noAnnotations };
  }
}

/** Bytes: a text has one a character, or two if one of them is beyond Latin-1. */
function memoryOf(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length;
}

export class KubePods implements PodSource {
  /** undefined where the node's name is not known. */
  readonly watch: Reflector<WatchedPod> | undefined;
  readonly #budget: BodyBudget<WatchedPod>;
  readonly #lookup: Lookup<PodDetails>;
  readonly #nodeName: string;
  /** One at most: the watch may only lag. */
  readonly #doubts: OnceLog;
  /** Called when a pod of the watch has changed. */
  readonly followers = new Set<() => void>();

  /**
   * @param nodeName of the node whose pods are watched; "": none are, and each is asked for
   * @param memoryBytes that the watched pods may take; annotations beyond are asked of the API when they are needed
   */
  constructor(api: Api, nodeName: string, log: Logger, memoryBytes = usualPodBytes) {
    this.#nodeName = nodeName;
    this.#doubts = new OnceLog(log);
    this.#budget = new BodyBudget({
      limit: memoryBytes,
      kind: "pods",
      forget: ({ namespace, name }) => this.watch?.forget(`${namespace}/${name}`),
      forgotten: () => this.watch?.forgotten ?? 0,
      log,
    });
    this.watch =
      nodeName === ""
        ? undefined
        : new Reflector<WatchedPod>({
            api,
            path: `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${nodeName}`)}`,
            kind: "pods",
            metadataOnly: true,
            keep: (object, meta) => new WatchedPod(meta, keptPod(object)),
            onChange: (_key, watched, before) => {
              this.#budget.replace(before, watched);
              for (const changed of this.followers) changed();
            },
            log,
          });
    this.#lookup = new Lookup({
      api,
      kind: "pod",
      path: (namespace, name) => `/api/v1/namespaces/${namespace}/pods/${name}`,
      accept: metadataOnly,
      maxBytes: longestAnswer,
      mayBeUndefined: false,
      keep: keptPod,
    });
  }

  get state(): WatchState | undefined {
    return this.watch && { ...this.watch.state, memory: this.#budget.state };
  }

  async find(pod: PodReference, { retry }: { readonly retry: boolean }): Promise<PodDetails | undefined> {
    const isSame = (known: PodDetails) => !isAnotherPod(pod, known);
    const watched = await this.watch?.waitFor(
      `${pod.namespace}/${pod.name}`,
      ({ details }) => isSame(details),
      patienceMs,
    );
    if (watched?.isWhole) return watched.details;
    const isWatching = this.watch?.connected ?? false;
    const found = await this.#lookup.get(pod.namespace, pod.name, retry);
    // The only other sign that the watch is of another node's pods is the time that each ADD takes.
    if (isWatching && watched === undefined && found !== undefined && isSame(found)) {
      const fields = { pod: podKey(pod), node: this.#nodeName, waitedMs: patienceMs };
      this.#doubts.error(
        "the watch of the node's pods lacks a pod of this node: is the node's name right?",
        fields,
      );
    }
    return found;
  }

  /** Callers that have a fallback wait no longer than the watch's grace period. */
  ask(pod: PodReference): Promise<PodDetails | undefined> {
    return this.#lookup.get(pod.namespace, pod.name, false);
  }

  async untilWatched(): Promise<boolean> {
    return (await this.watch?.waitUntilSynced(syncPatienceMs)) ?? false;
  }

  /** Does the watch have the pod as one that is being deleted? Nothing is asked. */
  isBeingDeleted(namespace: string, name: string): boolean {
    return this.watch?.get(`${namespace}/${name}`)?.details.isBeingDeleted ?? false;
  }

  withoutStatus(pod: PodReference): PodReference | undefined {
    const known = this.watch?.get(`${pod.namespace}/${pod.name}`)?.details;
    return known === undefined || known.hasNetworkStatus || isAnotherPod(pod, known)
      ? undefined
      : { ...pod, uid: known.uid };
  }

  *lackingStatus(): Generator<PodReference> {
    for (const { namespace, name, details } of this.watch?.values() ?? []) {
      if (lacksStatus(details)) yield { namespace, name, uid: details.uid, sandboxId: "" };
    }
  }
}
