/**
 * Checks during shutdown whether the DaemonSet of this daemon was deleted: a pod that is replaced, evicted or restarted has a successor on its node,
 * one whose DaemonSet was deleted has not.
 *
 * `kubectl delete -k` and `helm uninstall` delete ServiceAccount and roles beside the DaemonSet, so the API may refuse the question by the time that it comes. A refusal counts
 * as "deleted" only where nothing else explains it: the pod itself is being deleted in order, and either the credentials are not known any more while they served the watch
 * of pods until now (401), or the whole of the daemon's rights is gone (403), not only the right to this one object.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { objectAt } from "../base/json.ts";
import { errorText } from "../log/error-text.ts";
import { reviewAccess } from "./access-review.ts";
import { type Api, ApiError, metadataOnly } from "./api.ts";
import type { OwnDaemonSet } from "./own-daemon-set.ts";

/** The DaemonSet's fate, as far as it is known. */
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
  /** For tests. */
  readonly lastingMs?: LastingMs;
}

/** Milliseconds for which an answer has to stay the same. */
export interface LastingMs {
  /** `kubectl replace --force` deletes the object, and creates it again. */
  readonly gone: number;
  /** A server that starts, and a role that is replaced, refuse for a moment. */
  readonly refused: number;
}

const usualLastingMs: LastingMs = { gone: 1_500, refused: 2_500 };
const pauseMs = 300;
/** For one answer: a server that takes longer is asked once more. */
const answerMs = 2_000;

/** The outcome of one request. */
interface Answer {
  readonly kind: "there" | "being deleted" | "gone" | "refused" | "none";
  readonly text: string;
}

/** Asks until there is an answer, or the time is over. Never throws. */
export async function fateOfDaemonSet(question: DaemonSetQuestion): Promise<DaemonSetFate> {
  const { own, isPodEnding, withinMs, lastingMs = usualLastingMs } = question;
  const what = `DaemonSet ${own.namespace}/${own.name}`;
  const deadline = performance.now() + withinMs;
  let last: Answer = { kind: "none", text: "no answer" };
  let since = 0;
  for (let left = withinMs; left > 0; left = deadline - performance.now()) {
    const answer = await ask(question, deadline);
    if (answer.kind === "there" || answer.kind === "being deleted") {
      return { isEnding: answer.kind === "being deleted", because: `${what} is ${answer.kind}` };
    }
    if (answer.kind !== last.kind) since = performance.now();
    last = answer;
    const lasted = performance.now() - since;
    if (last.kind === "gone" && lasted >= lastingMs.gone) break;
    if (last.kind === "refused" && lasted >= lastingMs.refused && isPodEnding()) {
      return { isEnding: true, because: `the daemon's rights are deleted, and its pod: ${last.text}` };
    }
    await sleep(Math.max(0, Math.min(pauseMs, deadline - performance.now())));
  }
  return last.kind === "gone"
    ? { isEnding: true, because: `${what} is deleted` }
    : { isEnding: false, because: `${what} cannot be asked for: ${last.text}` };
}

/** One request, or two. Never throws. @param deadline on the clock of `performance.now()` */
async function ask({ api, own }: DaemonSetQuestion, deadline: number): Promise<Answer> {
  const timeoutMs = () => Math.max(1, Math.min(answerMs, deadline - performance.now()));
  try {
    const object = await api.request<unknown>({
      method: "GET",
      path: `/apis/apps/v1/namespaces/${own.namespace}/daemonsets/${own.name}`,
      accept: metadataOnly,
      timeoutMs: timeoutMs(),
    });
    const { name, deletionTimestamp } = objectAt(object, "metadata");
    if (name !== own.name) throw new Error("the answer is another object");
    return { kind: typeof deletionTimestamp === "string" ? "being deleted" : "there", text: "" };
  } catch (error) {
    const text = errorText(error);
    if (!(error instanceof ApiError)) return { kind: "none", text };
    // Only by a Status object that says so: a proxy, or a server without that API, answers 404 as well.
    if (error.status === 404 && error.reason === "NotFound") return { kind: "gone", text };
    return { kind: (await isRefused(error, api, own, timeoutMs())) ? "refused" : "none", text };
  }
}

/** Are the credentials refused, or everything that the daemon may do, and not this one object alone? */
async function isRefused(error: ApiError, api: Api, own: OwnDaemonSet, timeoutMs: number): Promise<boolean> {
  if (error.status === 401) return true;
  if (error.status !== 403) return false;
  try {
    const right = { verb: "get", resource: "pods", namespace: own.namespace };
    const status = await reviewAccess(api, right, timeoutMs);
    return status?.allowed === false;
  } catch (refusal) {
    return refusal instanceof ApiError && refusal.status === 401;
  }
}
