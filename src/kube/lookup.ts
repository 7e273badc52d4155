/** Reads single objects from the API, for those that no watch has. */

import { setTimeout as sleep } from "node:timers/promises";
import { objectAt } from "../base/json.ts";
import { entryOf } from "../base/map-entry.ts";
import { errorText } from "../log/error-text.ts";
import { ClusterUnavailable } from "../multus/cluster/cluster-unavailable.ts";
import { type Api, ApiError, ApiUnreachable, isTransient } from "./api.ts";
import { isNamespaceName, isObjectName } from "./object-names.ts";
import type { Turns } from "./turns.ts";

/** For how long an API server that cannot answer is asked again, and a watch may lag behind, in milliseconds (docs/behaviour.md, "Pod lookup"). */
export const patienceMs = 2_500;
/** Between two tries; doubled each time. */
const firstPauseMs = 100;
const longestPauseMs = 800;

export interface LookupOptions<Found> {
  readonly api: Api;
  /** Names the object in errors: `pod`. */
  readonly kind: string;
  /** The API's path of an object; the names are fit for one. */
  readonly path: (namespace: string, name: string) => string;
  /** As a request has it. */
  readonly accept?: string;
  /** As a request has it. */
  readonly maxBytes?: number;
  /** Bounds how many are asked for at once, by namespace; undefined: no bound. */
  readonly turns?: Turns;
  /** Does a 404 count that is no Status object of reason NotFound? An API server answers so where the kind is not defined; for a kind that always is, the answer is not an API server's. */
  readonly mayBeUndefined: boolean;
  /** The part of the answer that is kept. */
  readonly keep: (object: unknown, namespace: string, name: string) => Found;
}

/** Asks for objects of one kind. Callers that ask for the same object at once share the answer. */
export class Lookup<Found> {
  readonly #options: LookupOptions<Found>;
  readonly #underWay = new Map<string, Promise<Found | undefined>>();

  constructor(options: LookupOptions<Found>) {
    this.#options = options;
  }

  /**
   * @param retry ask again for 2.5 s while the API cannot answer; otherwise one answer is waited for, for that time
   * @returns undefined: there is no such object
   * @throws {ClusterUnavailable} naming the object: the API does not answer, or refuses
   */
  get(namespace: string, name: string, retry: boolean): Promise<Found | undefined> {
    // No object can have such a name, and it must not become another path.
    if (!isNamespaceName(namespace) || !isObjectName(name)) return Promise.resolve(undefined);
    const key = `${namespace}/${name} ${retry}`;
    return entryOf(this.#underWay, key, () =>
      this.#ask(namespace, name, retry).finally(() => this.#underWay.delete(key)),
    );
  }

  async #ask(namespace: string, name: string, retry: boolean): Promise<Found | undefined> {
    const { api, kind, path, accept, maxBytes, turns, mayBeUndefined, keep } = this.#options;
    const timeoutMs = retry ? undefined : patienceMs;
    const request = {
      method: "GET",
      path: path(namespace, name),
      isPaced: true,
      accept,
      maxBytes,
      timeoutMs,
    } as const;
    // The kept part is taken out before the next one's turn.
    const ask = async (): Promise<Found | undefined> => {
      try {
        const object = await api.request(request);
        if (objectAt(object, "metadata").name === name) return keep(object, namespace, name);
        throw new ApiUnreachable(`the answer to GET ${request.path} is another object`);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
        if (mayBeUndefined || error.reason === "NotFound") return undefined;
        throw new ApiUnreachable(error.message, { cause: error });
      }
    };
    try {
      return await retried(retry ? patienceMs : 0, () => turns?.run(namespace, ask) ?? ask());
    } catch (error) {
      throw new ClusterUnavailable(`${kind} ${namespace}/${name} cannot be looked up: ${errorText(error)}`, {
        cause: error,
      });
    }
  }
}

/** Tries again while the API cannot answer, for that many milliseconds. @throws what the last try threw */
async function retried<Answer>(milliseconds: number, ask: () => Promise<Answer>): Promise<Answer> {
  const end = performance.now() + milliseconds;
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
    try {
      return await ask();
    } catch (error) {
      if (!isTransient(error)) throw error;
      const left = end - performance.now();
      const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      if (left <= 0 || asked > left) throw error;
      await sleep(Math.min(Math.max(pause, asked), left));
    }
  }
}
