/** The Eviction API: a pod is deleted as `kubectl drain` does it, so that PodDisruptionBudgets count. Loaded where it is needed. */

import { errorText } from "../log/error-text.ts";
import { bounded } from "../log/quoted.ts";
import type { EvictionAnswer } from "../multus/cluster/cluster.ts";
import type { PodReference } from "../multus/input/pod.ts";
import { type Api, ApiError, isTransient } from "./api.ts";
import { askedPauseMs } from "./back-off.ts";
import { isNamespaceName, isObjectName } from "./object-names.ts";

/** Asks once. Never throws. @param pod with the object's UID */
export async function evictPod(api: Api, { namespace, name, uid }: PodReference): Promise<EvictionAnswer> {
  // The names become a path, and without a UID it might be another pod of that name.
  if (!isNamespaceName(namespace) || !isObjectName(name) || uid === "") {
    return { outcome: "refused", reason: "it is no pod that could be named", retryAfterMs: 0 };
  }
  try {
    await api.request({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
      body: {
        apiVersion: "policy/v1",
        kind: "Eviction",
        metadata: { namespace, name },
        deleteOptions: { preconditions: { uid } },
      },
    });
    return { outcome: "evicted", reason: "", retryAfterMs: 0 };
  } catch (error) {
    return {
      outcome: outcomeOf(error),
      reason: bounded(errorText(error)),
      retryAfterMs: askedPauseMs(error),
    };
  }
}

/** 429: a PodDisruptionBudget, or too many requests. 409: the UID is another pod's, or something else changed the pod. */
function outcomeOf(error: unknown): EvictionAnswer["outcome"] {
  const status = error instanceof ApiError ? error.status : 0;
  if (status === 404) return "gone";
  return isTransient(error) || status === 401 || status === 409 ? "later" : "refused";
}
