/** The pod that a request is for: who it is, as CNI_ARGS say, and where its annotations come from. */

import { type CniArgs, findCniArg } from "../cni/args.ts";

/** What the runtime's CNI_ARGS say about the pod; "" where they do not. */
export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** K8S_POD_INFRA_CONTAINER_ID: the sandbox. */
  readonly sandboxId: string;
}

/** What is known of a pod beyond its name. */
export interface PodDetails {
  readonly annotations: Readonly<Record<string, string>>;
  /** "" if not known. */
  readonly uid: string;
}

/**
 * Where pods are looked up when the request does not bring their annotations (Kubernetes' API). What it throws becomes
 * the request's error on ADD, and is only logged on DEL.
 */
export interface PodSource {
  /** undefined: there is no such pod. */
  get(namespace: string, name: string): Promise<PodDetails | undefined>;
}

/** @param args CNI_ARGS of the request */
export function podReference(args: CniArgs): PodReference {
  return {
    namespace: findCniArg(args, "K8S_POD_NAMESPACE") ?? "",
    name: findCniArg(args, "K8S_POD_NAME") ?? "",
    uid: findCniArg(args, "K8S_POD_UID") ?? "",
    sandboxId: findCniArg(args, "K8S_POD_INFRA_CONTAINER_ID") ?? "",
  };
}
