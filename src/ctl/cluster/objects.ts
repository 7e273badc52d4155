/** Reads objects from the API server: lists page by page, and turns failures into errors with advice. */

import { setTimeout as sleep } from "node:timers/promises";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { type Api, ApiError, type ApiRequest, ApiUnreachable, isTransient } from "../../kube/api.ts";
import { notAList, PagedList } from "../../kube/paged-list.ts";
import { UserError } from "../command/user-error.ts";

const pageSize = 250;
const longestPageBytes = 64 << 20;
/** Number of attempts at a busy server (429, 500, 503). */
const attempts = 3;
/** Milliseconds before the second attempt, unless the server names a time; doubled before the third. */
const usualPause = 300;
/** The longest pause that a server may ask for, in milliseconds. */
const longestPause = 10_000;

/** A kind of object. */
export interface Resource {
  /** `/api/v1`, `/apis/<group>/<version>`. */
  readonly base: string;
  /** As RBAC rules and messages have it: in plural, with its group. */
  readonly name: string;
}

export const definitions: Resource = {
  base: "/apis/k8s.cni.cncf.io/v1",
  name: "network-attachment-definitions.k8s.cni.cncf.io",
};

export const pods: Resource = { base: "/api/v1", name: "pods" };
export const nodes: Resource = { base: "/api/v1", name: "nodes" };

/** Selects objects of a list, and parts of them. */
export interface Selection {
  /** undefined: all. */
  readonly namespace: string | undefined;
  /** undefined: every object. */
  readonly fieldSelector?: string;
  /** Without spec and status. */
  readonly metadataOnly?: boolean;
}

/**
 * Calls `visit` with every object of a list, with only one page in memory.
 * @throws {ApiError} {@link ApiUnreachable}
 */
export async function forEachObject(
  api: Api,
  resource: Resource,
  { namespace, fieldSelector, metadataOnly }: Selection,
  visit: (object: JsonObject) => void,
): Promise<void> {
  const query = fieldSelector === undefined ? "" : `?${new URLSearchParams({ fieldSelector })}`;
  const list = new PagedList({
    request: (request) => patientRequest(api, request),
    path: `${pathOf(resource, namespace)}${query}`,
    pageSize,
    longestPageBytes,
    metadataOnly,
  });
  for await (const { items } of list.pages()) {
    for (const item of items) if (isJsonObject(item)) visit(item);
  }
}

/** Excludes pods in the host's network, for which the runtime calls no CNI plugin. Servers before Kubernetes 1.28 do not know this selector. */
const notHostNetwork = "spec.hostNetwork=false";

/**
 * Calls `visit` with every pod that may have networks: with its metadata, or all of it if the server is too old to exclude pods in the host's network.
 * @param namespace undefined: all
 * @param phases field selector of the pods' phases
 * @throws as {@link forEachObject}
 */
export async function forEachPod(
  api: Api,
  namespace: string | undefined,
  phases: string,
  visit: (pod: JsonObject) => void,
): Promise<void> {
  try {
    const fieldSelector = `${phases},${notHostNetwork}`;
    await forEachObject(api, pods, { namespace, fieldSelector, metadataOnly: true }, visit);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 400)) throw error;
    await forEachObject(api, pods, { namespace, fieldSelector: phases }, visit);
  }
}

/** Gets one object. @returns undefined: there is none @throws {ApiError} {@link ApiUnreachable} */
export async function getObject(
  api: Api,
  resource: Resource,
  namespace: string,
  name: string,
): Promise<JsonObject | undefined> {
  const path = `${pathOf(resource, namespace)}/${encodeURIComponent(name)}`;
  const object = await found(patientRequest(api, { method: "GET", path }));
  return object === undefined || isJsonObject(object) ? object : {};
}

/** @returns undefined if the server answers that there is no such object (404) @throws other errors of the request */
export async function found(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Does RBAC refuse the request? */
export function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403;
}

/** The action in RBAC's terms: "list pods in namespace a". */
export function actionText(verb: string, resource: Resource, namespace: string | undefined): string {
  return `${verb} ${resource.name} ${namespace === undefined ? "in all namespaces" : `in namespace ${namespace}`}`;
}

/**
 * Explains a failed request to the user.
 * @param action as actionText gives it
 * @param server its address
 * @returns other errors unchanged
 */
export function apiFailure(error: unknown, action: string, server: string): unknown {
  const explained = explain(error, action, server);
  return explained === undefined ? error : new UserError(...explained, { cause: error });
}

/** Advice where RBAC refuses an action. */
function neededRights(action: string): string {
  return action.includes(definitions.name)
    ? "it takes a role with get and list on network-attachment-definitions (k8s.cni.cncf.io) and list on pods;\n" +
        "--namespace NAMESPACE needs them in one namespace only"
    : 'docs/kubectl.md, "Rights", has what each command needs';
}

/** @returns message and advice */
function explain(error: unknown, action: string, server: string): [string, string] | undefined {
  if (error instanceof ApiUnreachable) {
    return [
      `the API server cannot be reached: ${error.message}`,
      "is the API server running, and is it the right kubeconfig? (--kubeconfig)",
    ];
  }
  if (!(error instanceof ApiError)) return undefined;
  const { status, reason, message } = error;
  switch (status) {
    case 401:
      return [
        `${server} does not accept the credentials (${message})`,
        "does kubectl work with the same kubeconfig?",
      ];
    case 403:
      return [`${server}: not allowed to ${action} (${message})`, neededRights(action)];
    case 404:
      if (!action.includes(definitions.name)) break;
      // A server answers a list with 404 only if it does not know the kind.
      return [
        `${server} does not know NetworkAttachmentDefinitions (${message})`,
        "their CustomResourceDefinition is not installed: kubectl apply -f deploy/base/crd.yaml",
      ];
    case 410:
      return [
        `${server}: the list became too old while it was read (${message})`,
        "try again, or one namespace at a time (--namespace)",
      ];
  }
  return reason === notAList
    ? [message, "is that the address of an API server?"]
    : [`${server}: cannot ${action} (${message})`, ""];
}

function pathOf(resource: Resource, namespace: string | undefined): string {
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${resource.base}${within}/${resource.name.split(".", 1)[0]}`;
}

/** Retries while the server is busy. */
async function patientRequest(api: Api, request: ApiRequest): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await api.request<unknown>(request);
    } catch (error) {
      // Do not let the user wait for a server that does not answer at all.
      const pause = error instanceof ApiError ? (error.retryAfterMs ?? usualPause * attempt) : Infinity;
      if (!isTransient(error) || attempt === attempts || pause > longestPause) throw error;
      await sleep(pause);
    }
  }
}
