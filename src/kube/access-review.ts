/** Asks an API server for the rights of the credentials in use (SelfSubjectAccessReview, authorization.k8s.io/v1). */

import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { Api } from "./api.ts";

/** A right that is asked for, as the review's `resourceAttributes` have it. */
export interface ResourceAttributes {
  readonly verb: string;
  /** "": the core group. */
  readonly group?: string | undefined;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
}

/**
 * Every user may ask, by a default role of the server; while the server has not loaded its roles yet, it refuses this as well.
 * @param timeoutMs milliseconds for the answer; undefined: the client's own limit
 * @returns the review's status; undefined: the answer has none
 * @throws {ApiError} {@link ApiUnreachable} as the server answers
 */
export async function reviewAccess(
  api: Api,
  resourceAttributes: ResourceAttributes,
  timeoutMs?: number,
): Promise<JsonObject | undefined> {
  const review = await api.request<unknown>({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectAccessReview",
      spec: { resourceAttributes },
    },
    timeoutMs,
  });
  const status = isJsonObject(review) ? review.status : undefined;
  return isJsonObject(status) ? status : undefined;
}
