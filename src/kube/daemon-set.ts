/**
 * Is the DaemonSet gone that this daemon is a pod of? It is asked by a daemon that has been told to stop: a pod that is replaced, evicted or restarted has a next one on its node,
 * one whose DaemonSet was deleted has not.
 *
 * `kubectl delete -k` and `helm uninstall` delete ServiceAccount and roles beside the DaemonSet, so the API may refuse the question by the time that it comes. A refusal counts
 * as "deleted" only where nothing else explains it: the pod itself is being deleted in order, and either the credentials are not known any more while they served the watch
 * of pods until now (401), or the whole of the daemon's rights is gone (403), not only the right to this one object.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { isJsonObject } from "../cni/json.ts";
import { errorText } from "../log/error-text.ts";
import { type Api, ApiError, metadataOnly } from "./api.ts";
import type { OwnDaemonSet } from "./own-daemon-set.ts";

/** What is known of it. */
export interface DaemonSetFate {
  /** Gone, or being deleted. `false` also where it cannot be told. */
  readonly isEnding: boolean;
  /** Why that is so, or how it cannot be told, for the log. */
  readonly because: string;
}

export interface DaemonSetQuestion {
  readonly api: Api;
  readonly own: OwnDaemonSet;
  /** Does the watch of pods say that the own pod is being deleted, and still there? One that was deleted by force is not there. */
  readonly isPodEnding: () => boolean;
  /** Milliseconds until there has to be an answer. */
  readonly withinMs: number;
  /** Milliseconds for which a refusal has to last; for tests. */
  readonly refusedForMs?: number;
}

/** A server that starts, and a role that is replaced, refuse for a moment. */
const refusedForMs = 2_500;
const pauseMs = 300;
/** For one answer: a server that takes longer is asked once more. */
const answerMs = 2_000;

/** Asks until there is an answer, or the time is over. Never throws. */
export async function fateOfDaemonSet(question: DaemonSetQuestion): Promise<DaemonSetFate> {
  const { own, isPodEnding, withinMs, refusedForMs: lasting = refusedForMs } = question;
  const what = `DaemonSet ${own.namespace}/${own.name}`;
  const deadline = performance.now() + withinMs;
  let refusedSince: number | undefined;
  let problem = "no answer";
  for (;;) {
    const left = deadline - performance.now();
    if (left <= 0) return { isEnding: false, because: `${what} cannot be asked for: ${problem}` };
    try {
      const isEnding = await isBeingDeleted(question, Math.min(left, answerMs));
      return { isEnding, because: `${what} is ${isEnding ? "being deleted" : "there"}` };
    } catch (error) {
      if (isGone(error)) return { isEnding: true, because: `${what} is deleted` };
      problem = errorText(error);
      if (await isRefused(error, question, Math.min(deadline - performance.now(), answerMs))) {
        refusedSince ??= performance.now();
        if (performance.now() - refusedSince >= lasting && isPodEnding()) {
          return { isEnding: true, because: `the daemon's rights are deleted, and its pod: ${problem}` };
        }
      } else {
        refusedSince = undefined;
      }
    }
    await sleep(Math.max(0, Math.min(pauseMs, deadline - performance.now())));
  }
}

/** @throws {ApiError} {@link ApiUnreachable} */
async function isBeingDeleted({ api, own }: DaemonSetQuestion, timeoutMs: number): Promise<boolean> {
  const object = await api.request<unknown>({
    method: "GET",
    path: `/apis/apps/v1/namespaces/${own.namespace}/daemonsets/${own.name}`,
    accept: metadataOnly,
    timeoutMs,
  });
  const metadata = isJsonObject(object) && isJsonObject(object.metadata) ? object.metadata : {};
  if (metadata.name !== own.name) throw new Error("the answer is another object");
  return (metadata.deletionTimestamp ?? undefined) !== undefined;
}

/** Only by a Status object that says so: a proxy, or a server without that API, answers 404 as well. */
function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404 && error.reason === "NotFound";
}

/** Are the credentials refused, or everything that the daemon may do, and not this one object alone? */
async function isRefused(
  error: unknown,
  { api, own }: DaemonSetQuestion,
  timeoutMs: number,
): Promise<boolean> {
  if (!(error instanceof ApiError) || timeoutMs <= 0) return false;
  if (error.status === 401) return true;
  if (error.status !== 403) return false;
  try {
    // Every user may ask this, by a role that the server has from its start: while roles are not loaded yet, it is refused, too.
    const review = await api.request<unknown>({
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      body: {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: { verb: "get", resource: "pods", namespace: own.namespace } },
      },
      timeoutMs,
    });
    return isJsonObject(review) && isJsonObject(review.status) && review.status.allowed === false;
  } catch (refusal) {
    return refusal instanceof ApiError && refusal.status === 401;
  }
}
