/** Writes one pod's network-status: by PATCH, or by GET and PUT where the daemon has no right to patch (docs/behaviour.md, "Network-status and events"). */

import { type JsonObject, objectAt, textOf } from "../base/json.ts";
import type { Logger } from "../log/logger.ts";
import type { PodReference } from "../multus/input/pod.ts";
import { type Api, ApiError, ApiUnreachable } from "./api.ts";
import { lacksRight } from "./forbidden.ts";

export const statusAnnotation = "k8s.v1.cni.cncf.io/network-status";
/** On the mirror of a static pod: the uid that the kubelet, and so the runtime, knows the pod by. */
export const mirrorAnnotation = "kubernetes.io/config.mirror";

/** A role may be changed at any time: patching is tried again after so many milliseconds. */
const patchForbiddenMs = 10 * 60_000;
/** Conflicts of PUTs of one pod in a row, before other pods have their turn. */
const maxConflicts = 5;

/** `gone`: there is no such pod. `replaced`: the name is another pod's. `unwanted`: withdrawn, or there is a newer one. */
export type WriteOutcome = "written" | "gone" | "replaced" | "unwanted";

export interface StatusToWrite {
  /** With the runtime's uid, so that nothing is written to another pod of the same name; "": not known, nothing is compared. */
  readonly pod: PodReference;
  /** The annotation's value. */
  readonly text: string;
  /** Read between requests: it may be withdrawn meanwhile. */
  readonly isWanted: boolean;
}

export class NetworkStatusWriter {
  readonly #api: Api;
  readonly #log: Logger;
  /** Until when no PATCH is tried, on the clock of `performance.now()`. */
  #patchForbiddenUntil = 0;

  constructor(api: Api, log: Logger) {
    this.#api = api;
    this.#log = log;
  }

  /**
   * @throws {ApiError} for what the server refuses: 409 if another writer is faster again and again @throws {ApiUnreachable}
   */
  async write(status: StatusToWrite, signal: AbortSignal): Promise<WriteOutcome> {
    try {
      const isPatched = performance.now() >= this.#patchForbiddenUntil;
      const patched = isPatched ? await this.#patch(status, signal) : undefined;
      if (patched !== undefined) return patched;
      const replaced = await this.#replace(status, signal);
      if (isPatched) {
        this.#patchForbiddenUntil = performance.now() + patchForbiddenMs;
        this.#log.verbose("no right to patch pods/status: pods are read and updated instead");
      }
      return replaced;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        if (error.reason === "NotFound") return "gone";
        // An API server knows pods.
        throw new ApiUnreachable(error.message, { cause: error });
      }
      // Without either right, PATCH is tried first again.
      if (lacksRight(error)) this.#patchForbiddenUntil = 0;
      throw error;
    }
  }

  /** @returns undefined where it is not allowed */
  async #patch(status: StatusToWrite, signal: AbortSignal): Promise<WriteOutcome | undefined> {
    const { uid } = status.pod;
    try {
      await this.#sendPatch(status, uid, signal);
      return "written";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (lacksRight(error)) return undefined;
      // The server answers 422 or 409 where the uid is not the pod's.
      if (uid === "" || (error.status !== 422 && error.status !== 409)) throw error;
      const found = await this.#get(status.pod, signal);
      if (uidOf(found) === uid) throw error;
      if (!isPod(found, uid)) return "replaced";
      if (!status.isWanted) return "unwanted";
      await this.#sendPatch(status, uidOf(found), signal);
      return "written";
    }
  }

  async #sendPatch(status: StatusToWrite, uid: string, signal: AbortSignal): Promise<void> {
    await this.#api.request({
      method: "PATCH",
      path: `${podPath(status.pod)}/status`,
      contentType: "application/merge-patch+json",
      body: {
        metadata: {
          // Makes the server refuse where the name is another pod's by now.
          uid: uid || undefined,
          annotations: { [statusAnnotation]: status.text },
        },
      },
      signal,
    });
  }

  /** The server refuses the PUT (409) if the pod has changed since the GET. */
  async #replace(status: StatusToWrite, signal: AbortSignal): Promise<WriteOutcome> {
    const { pod, text } = status;
    for (let conflicts = 0; ; ) {
      const found = await this.#get(pod, signal);
      if (pod.uid !== "" && !isPod(found, pod.uid)) return "replaced";
      if (!status.isWanted) return "unwanted";
      const annotations = { ...annotationsOf(found), [statusAnnotation]: text };
      try {
        await this.#api.request({
          method: "PUT",
          path: `${podPath(pod)}/status`,
          body: { ...found, metadata: { ...objectAt(found, "metadata"), annotations } },
          signal,
        });
        return "written";
      } catch (error) {
        conflicts++;
        if (!(error instanceof ApiError) || error.status !== 409 || conflicts === maxConflicts) throw error;
      }
    }
  }

  async #get(pod: PodReference, signal: AbortSignal): Promise<JsonObject> {
    return objectAt(await this.#api.request<unknown>({ method: "GET", path: podPath(pod), signal }));
  }
}

/** Names were checked when the status was taken on. */
function podPath(pod: PodReference): string {
  return `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
}

function annotationsOf(object: JsonObject): JsonObject {
  return objectAt(object, "metadata", "annotations");
}

function uidOf(object: JsonObject): string {
  return textOf(objectAt(object, "metadata").uid);
}

/** Is it the pod of that uid, or its mirror? */
function isPod(object: JsonObject, uid: string): boolean {
  return uidOf(object) === uid || annotationsOf(object)[mirrorAnnotation] === uid;
}
